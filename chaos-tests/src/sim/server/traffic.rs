//! The vNICs of a server: some of them speak by themselves, all answer; now and then one of them lies about who it is.

use std::collections::BTreeMap;

use twinrail_failover::agent::Route;
use twinrail_proto::domain::AdapterId;

use super::Server;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::message::{Device, Frame, FrameKind, Message};
use crate::sim::network::Node;
use crate::sim::observation::Observation;
use crate::sim::queue::{MILLI, Nanos, SECOND};

const SPEAK_EVERY: Nanos = 100 * MILLI;
/// For so long after a change a server says at every tick that it is ready, afterwards seldom (`datapath::server::ready`).
const INSIST: Nanos = 3 * SECOND;
const SELDOM: Nanos = SECOND;
/// Of a thousand frames, how many are of a server that lies.
const LIES: u64 = 20;

#[derive(Debug)]
pub(super) struct Vnic {
    mac: u64,
    speak_at: Nanos,
    ready_at: Nanos,
    known: Option<(Route, bool)>,
    insist_until: Nanos,
}

impl Server {
    pub(super) fn follow_vnics(&mut self, ctx: &Context) {
        let mut before = std::mem::take(&mut self.vnics);
        for &adapter in self.table.keys() {
            let Some(&Device::Vnic { mac }) = self.devices.get(&adapter) else { continue };
            let speak_at = ctx.now + 7 * MILLI;
            let fresh = Vnic { mac, speak_at, ready_at: 0, known: None, insist_until: 0 };
            let vnic = before.remove(&adapter).unwrap_or(fresh);
            self.vnics.insert(adapter, Vnic { mac, ..vnic });
        }
    }

    pub(super) fn speak(&mut self, ctx: &mut Context) {
        let waiting: Vec<AdapterId> = self.agent.waiting().collect();
        let mut vnics = std::mem::take(&mut self.vnics);
        for (&adapter, vnic) in &mut vnics {
            let Some(route) = self.table.get(&adapter).cloned() else { continue };
            let Some(home) = route.home.as_ref().and_then(|it| ctx.names.director(it)) else { continue };
            self.say_ready(adapter, vnic, &route, home, ctx);
            // Some adapters are silent until they are spoken to: only announcements tell the LAN where they are.
            let talks = adapter.0 % 4 != 1 && ctx.now >= vnic.speak_at && !waiting.contains(&adapter);
            if talks {
                vnic.speak_at = ctx.now + SPEAK_EVERY;
                self.send(adapter, vnic.mac, &route, home, FrameKind::Ping, ctx);
            }
        }
        self.vnics = vnics;
        if self.rng.permille(LIES) {
            self.lie(ctx);
        }
    }

    fn say_ready(&self, adapter: AdapterId, vnic: &mut Vnic, route: &Route, home: u8, ctx: &mut Context) {
        let reachable = self.reaches(home);
        let now = Some((route.clone(), reachable));
        if vnic.known != now {
            vnic.known = now;
            vnic.insist_until = ctx.now + INSIST;
        }
        if reachable && (ctx.now < vnic.insist_until || ctx.now >= vnic.ready_at) {
            vnic.ready_at = ctx.now + SELDOM;
            let message = Message::Ready { adapter, epoch: route.epoch };
            ctx.send_frame(self.node(), Node::Director(home), message);
        }
    }

    fn send(&self, adapter: AdapterId, mac: u64, route: &Route, home: u8, kind: FrameKind, ctx: &mut Context) {
        let frame = Frame { adapter, epoch: route.epoch, mac, kind, sent: ctx.now };
        ctx.send_frame(self.node(), Node::Director(home), Message::Frame(frame));
    }

    /// Sends as an adapter that is not its own, or as its own with another's address.
    fn lie(&mut self, ctx: &mut Context) {
        let own: BTreeMap<AdapterId, u64> = self.vnics.iter().map(|(&id, it)| (id, it.mac)).collect();
        let Some((&adapter, _)) = own.iter().next() else { return };
        let route = self.table[&adapter].clone();
        let Some(home) = route.home.as_ref().and_then(|it| ctx.names.director(it)) else { return };
        let stranger = self.rng.permille(500).then(|| AdapterId(self.rng.between(1, 12) as u32));
        let adapter = stranger.filter(|it| !own.contains_key(it)).unwrap_or(adapter);
        let mac = 0x0200_0000_0000 + self.rng.between(1, 12);
        if own.get(&adapter) != Some(&mac) {
            self.send(adapter, mac, &route, home, FrameKind::Ping, ctx);
        }
    }

    /// From a director, for a device here.
    pub(super) fn on_frame(&mut self, director: u8, frame: Frame, ctx: &mut Context) {
        let Frame { adapter, epoch, mac, kind, .. } = frame;
        let Some(route) = self.table.get(&adapter) else { return };
        let home = route.home.as_ref().and_then(|it| ctx.names.director(it));
        let admitted = route.epoch == epoch && home == Some(director);
        if !(admitted || ctx.has(Bug::AgentIgnoresEpoch)) {
            return;
        }
        ctx.observe(&Observation::ToDevice { server: self.me, adapter, epoch, mac });
        let (route, own) = (route.clone(), self.vnics.get(&adapter).map(|it| it.mac));
        if let (FrameKind::Ping, Some(home), Some(own)) = (kind, home, own) {
            self.send(adapter, own, &route, home, FrameKind::Pong, ctx);
        }
    }
}
