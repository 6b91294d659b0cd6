//! The LAN: a switch that learns from sources where a MAC is, and a host that speaks to all of them.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::context::Context;
use super::message::{Frame, FrameKind};
use super::queue::Nanos;

#[derive(Debug)]
pub struct Lan {
    ports: u8,
    learned: BTreeMap<u64, u8>,
    /// When each adapter has answered the host last.
    pub answered: BTreeMap<AdapterId, Nanos>,
}

impl Lan {
    pub fn new(ports: u8) -> Self {
        Self { ports, learned: BTreeMap::new(), answered: BTreeMap::new() }
    }

    /// A frame came in by a port; None: an announcement.
    pub fn on_frame(&mut self, port: u8, adapter: AdapterId, mac: u64, frame: Option<Frame>, ctx: &mut Context) {
        self.learned.insert(mac, port);
        match frame.map(|it| it.kind) {
            Some(FrameKind::Ping) => self.host_sends(mac, FrameKind::Pong, ctx),
            Some(FrameKind::Pong) => _ = self.answered.insert(adapter, ctx.now),
            None => {}
        }
    }

    /// Where the MAC was learned, or everywhere.
    pub fn host_sends(&mut self, mac: u64, kind: FrameKind, ctx: &mut Context) {
        let frame = Frame { adapter: AdapterId(0), epoch: Epoch(0), mac, kind, sent: ctx.now };
        match self.learned.get(&mac) {
            Some(&port) => ctx.leave_switch(port, frame),
            None => (0..self.ports).for_each(|port| ctx.leave_switch(port, frame)),
        }
    }
}
