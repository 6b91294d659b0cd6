//! The table in force, and the frames that pass under it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use twinrail_failover::Moment;
use twinrail_proto::domain::{AdapterId, Carriage as Bound, Epoch, Name, Revision};
use twinrail_raft_store::state::State;

use super::Director;
use super::announce::Announcer;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::message::{Frame, Message};
use crate::sim::network::Node;
use crate::sim::observation::Observation;

/// What goes to another home is told to its server first, and put into force so much later (`carriage::HAND_OVER`).
const HAND_OVER: Duration = Duration::from_millis(30);
/// Frames that wait for a server that is not ready, of one adapter.
const HELD: usize = 16;
/// Held for longer they are not worth sending (`datapath::director::hold`).
const LONGEST_WAIT: u64 = 2_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Carriage {
    pub rows: BTreeMap<AdapterId, Row>,
    pub enforced: Revision,
    /// Something was applied that concerns the table.
    pub touched: bool,
    handing_over: Option<(Moment, Revision)>,
    pub announcer: Announcer,
    first_epochs: BTreeMap<AdapterId, Epoch>,
}

/// The server said that it follows this epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub epoch: Epoch,
    /// When it said so last.
    pub heard: Moment,
}

/// A vNIC whose home is here.
#[derive(Debug)]
pub(super) struct Row {
    pub epoch: Epoch,
    pub mac: u64,
    pub server: u8,
    /// False: its server must let go; frames towards it wait.
    pub carry: bool,
    pub ready: Option<Ready>,
    held: VecDeque<Frame>,
}

impl Carriage {
    pub fn carries(&self, adapter: AdapterId, epoch: Epoch) -> bool {
        self.rows.get(&adapter).is_some_and(|it| it.carry && it.epoch == epoch)
    }

    fn loses(&self, state: &State, own: &Name) -> bool {
        let elsewhere = |id: &AdapterId| {
            state.adapter(*id).is_some_and(|(_, it)| it.home.director.as_ref().is_some_and(|home| home != own))
        };
        self.rows.keys().any(elsewhere)
    }

    /// As directors and agents see it.
    pub fn epoch_of(&mut self, adapter: AdapterId, epoch: Epoch, ctx: &Context) -> Epoch {
        if ctx.has(Bug::HomeWithoutEpoch) { *self.first_epochs.entry(adapter).or_insert(Epoch(1)) } else { epoch }
    }
}

impl Director {
    /// Puts what is applied into force.
    pub(super) fn enforce(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        if let Some((due, revision)) = self.carriage.handing_over {
            if now < due {
                return;
            }
            self.carriage.handing_over = None;
            self.publish(ctx);
            self.carriage.enforced = self.carriage.enforced.max(revision);
        }
        let revision = Revision(self.applied);
        if self.carriage.enforced >= revision {
            return;
        }
        if !self.carriage.touched {
            self.carriage.enforced = revision;
            return self.take_grants(ctx);
        }
        self.carriage.touched = false;
        if self.carriage.loses(&self.state, &self.name) {
            self.carriage.handing_over = Some((now + HAND_OVER, revision));
            return self.notify_agents(ctx);
        }
        self.publish(ctx);
        self.carriage.enforced = revision;
        self.take_grants(ctx);
    }

    fn publish(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        let wanted = self.wanted_rows(ctx);
        let mut former = std::mem::take(&mut self.carriage.rows);
        for (adapter, mut row) in wanted {
            let before = former.remove(&adapter);
            let news = before.as_ref().is_none_or(|it| (it.epoch, it.server) != (row.epoch, row.server));
            if row.carry && (news || before.as_ref().is_some_and(|it| !it.carry)) {
                let (director, epoch, server) = (self.me, row.epoch, row.server);
                ctx.observe(&Observation::TableCarries { director, adapter, epoch, server });
            }
            if let Some(before) = before {
                row.ready = before.ready;
                row.held = before.held;
            }
            self.carriage.rows.insert(adapter, row);
        }
        self.carriage.announcer.adopt(&self.carriage.rows, ctx.has(Bug::AnnounceOnce));
        self.follow_vhba_table(ctx);
        self.lease.renew_soon(now);
        self.reconciler.dirty = true;
        self.notify_agents(ctx);
    }

    fn wanted_rows(&mut self, ctx: &Context) -> Vec<(AdapterId, Row)> {
        let mut rows = Vec::new();
        for profile in self.state.profiles().values().map(|it| &it.value) {
            let (server, carry) = match profile.carriage() {
                Bound::Carry(server) => (server, true),
                Bound::Hold(server) => (server, false),
                Bound::Idle => continue,
            };
            let Some(server) = ctx.names.server(server) else { continue };
            for vnic in profile.vnics.values().filter(|it| it.home.director.as_ref() == Some(&self.name)) {
                let epoch = self.carriage.epoch_of(vnic.id, vnic.home.epoch, ctx);
                let (mac, ready, held) = (vnic.mac.to_u64(), None, VecDeque::new());
                rows.push((vnic.id, Row { epoch, mac, server, carry, ready, held }));
            }
        }
        rows
    }

    /// From a server, towards the LAN.
    pub(super) fn on_frame(&mut self, server: u8, frame: Frame, ctx: &mut Context) {
        if !self.may_carry(ctx) {
            return;
        }
        let Some(row) = self.carriage.rows.get(&frame.adapter) else { return };
        let any_source = ctx.has(Bug::NoIsolation);
        let admitted = row.epoch == frame.epoch && row.carry;
        let own = row.server == server && row.mac == frame.mac;
        if !admitted || !(own || any_source) {
            return;
        }
        ctx.observe(&Observation::Acted { director: self.me });
        let (director, Frame { adapter, epoch, mac, sent, .. }) = (self.me, frame);
        ctx.observe(&Observation::ToLan { director, adapter, epoch, mac, server: Some(server), sent });
        ctx.enter_switch(self.me, adapter, mac, Some(frame));
    }

    /// From the LAN, towards a server.
    pub fn on_lan(&mut self, frame: Frame, ctx: &mut Context) {
        if !self.may_carry(ctx) {
            return;
        }
        let Some((&adapter, row)) = self.carriage.rows.iter_mut().find(|(_, it)| it.mac == frame.mac) else { return };
        if row.carry && row.ready.is_some_and(|it| it.epoch == row.epoch) {
            let frame = Frame { adapter, epoch: row.epoch, ..frame };
            let server = Node::Server(row.server);
            return ctx.send_frame(Node::Director(self.me), server, Message::Frame(frame));
        }
        row.held.push_back(frame);
        if row.held.len() > HELD {
            row.held.pop_front();
        }
    }

    /// A server says that it follows this epoch.
    pub(super) fn on_ready(&mut self, server: u8, adapter: AdapterId, epoch: Epoch, ctx: &mut Context) {
        if !self.may_carry(ctx) {
            return;
        }
        let heard = self.now(ctx);
        let Some(row) = self.carriage.rows.get_mut(&adapter) else { return };
        if row.server != server || row.epoch != epoch || !row.carry {
            return;
        }
        row.ready = Some(Ready { epoch, heard });
        for frame in std::mem::take(&mut row.held) {
            if ctx.now < frame.sent + LONGEST_WAIT {
                let frame = Frame { adapter, epoch, ..frame };
                ctx.send_frame(Node::Director(self.me), Node::Server(server), Message::Frame(frame));
            }
        }
    }
}
