//! The way of a frame from a director to the server of an adapter; both threads use it.

use std::sync::Arc;

use twinrail_proto::rail::RecordHeader;

use super::forwarding::{Adapter, Forwarding};
use super::hold::Kept;
use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::counters::MachineTally;
use crate::frame::FrameView;
use crate::head::Head;
use crate::outbox::Outbox;
use crate::rail::Nanos;

/// What a thread needs to send to servers, borrowed for one turn.
pub(super) struct Delivery<'t> {
    pub table: &'t Forwarding,
    pub arena: &'t mut Arena,
    pub outbox: &'t mut Outbox,
    pub tally: &'t Arc<MachineTally>,
    pub now: Nanos,
}

/// A frame on its VLAN, and its flow.
#[derive(Clone, Copy)]
pub(super) struct Switched<'f> {
    pub view: &'f FrameView,
    pub vlan: u16,
    pub flow: u32,
}

impl Delivery<'_> {
    /// Sends the frame to the adapter's server, or lets it wait for it. Counts it either way.
    pub fn deliver(&mut self, index: u32, frame: Switched<'_>) {
        let adapter = self.table.adapter(index);
        let tag = adapter.membership.egress(frame.view, frame.vlan);
        let open = adapter.carry && adapter.hold.is_open(adapter.epoch);
        if !open && self.waits(adapter, &frame, tag) {
            return;
        }
        let length = frame.view.body_length(tag.is_some());
        let head = frame.view.head(Head::EMPTY.with(&record(adapter).encode(length)), tag);
        let sent = self.send(adapter, frame.flow, head, Some(frame.view.payload));
        self.count(adapter, sent, frame.view.frame_length(tag.is_some()));
    }

    /// The server is ready for the adapter's epoch: what waited for it goes out, and from now on nothing waits.
    pub fn open(&mut self, adapter: &Adapter) {
        let mut expired = 0;
        while let Some(frame) = adapter.hold.next_or_open(adapter.epoch, self.now, &mut expired) {
            let sent = self.send_stored(adapter, &frame);
            self.count(adapter, sent, frame.len().saturating_sub(10));
        }
        self.tally.drops.add(Cause::HoldExpired, expired);
        adapter.tally.drops.add(Cause::HoldExpired, expired);
    }

    fn waits(&mut self, adapter: &Adapter, frame: &Switched<'_>, tag: Option<twinrail_proto::rail::VlanTag>) -> bool {
        let head = frame.view.head(Head::EMPTY, tag);
        let parts = (head.bytes(), self.arena.piece(frame.view.payload));
        match adapter.hold.keep(adapter.epoch, adapter.carry, parts, self.now) {
            Kept::Open => return false,
            Kept::NoRoom => self.tally.dropped(Some(&adapter.tally), Cause::HoldOverflow),
            Kept::Waits { dropped } => {
                self.tally.drops.add(Cause::HoldOverflow, dropped);
                adapter.tally.drops.add(Cause::HoldOverflow, dropped);
            }
        }
        true
    }

    /// Sends offload header and frame as they were stored.
    fn send_stored(&mut self, adapter: &Adapter, body: &[u8]) -> Result<(), Cause> {
        let slot = match self.arena.take() {
            Some(slot) => slot,
            None => {
                self.outbox.flush(self.arena, self.now);
                self.arena.take().ok_or(Cause::NoBuffer)?
            }
        };
        self.arena.bytes_mut(slot)[..body.len()].copy_from_slice(body);
        let head = Head::EMPTY.with(&record(adapter).encode(body.len()));
        let flow = crate::flow::flow_hash(&body[10..]);
        let sent = self.send(adapter, flow, head, Some(Piece::new(slot, 0..body.len())));
        self.arena.release(slot);
        sent
    }

    fn send(&mut self, adapter: &Adapter, flow: u32, head: Head, rest: Option<Piece>) -> Result<(), Cause> {
        let peer = adapter.peer.ok_or(Cause::NotConnected)?;
        let rail = self.table.peers.entry(peer).rail_for(flow)?;
        self.outbox.push(self.arena, &self.table.peers, (peer, rail), head, rest)
    }

    fn count(&self, adapter: &Adapter, sent: Result<(), Cause>, octets: usize) {
        match sent {
            Ok(()) => adapter.tally.to_server.add(octets),
            Err(cause) => self.tally.dropped(Some(&adapter.tally), cause),
        }
    }
}

fn record(adapter: &Adapter) -> RecordHeader {
    RecordHeader { adapter: adapter.id, epoch: adapter.epoch, ready: false }
}
