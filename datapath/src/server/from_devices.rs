//! A server's thread for what comes from the devices: to the homes of their adapters.

use std::sync::Arc;

use twinrail_datapath_sys::{Epoll, Readiness};
use twinrail_proto::domain::AdapterId;
use twinrail_proto::rail::{ETHERNET_HEADER_LENGTH, OFFLOAD_LENGTH, RecordHeader};

use super::forwarding::{Adapter, Forwarding};
use super::ready::Ready;
use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::counters::MachineTally;
use crate::driver::Engine;
use crate::event::{Event, Events};
use crate::exchange::Adopted;
use crate::flow::flow_hash;
use crate::head::Head;
use crate::outbox::Outbox;
use crate::rail::Nanos;

/// Frames of one device in one turn: then the others have theirs.
const FRAMES_A_TURN: usize = 64;
/// Octets of one device in one turn: more would not stay in the processor's cache until they are sent.
const OCTETS_A_TURN: usize = 256 << 10;
/// Buffers of the thread: super-frames of a turn of several devices, and packed messages.
const SLOTS: u16 = 512;

pub(crate) struct FromDevices {
    adopted: Adopted<Forwarding>,
    arena: Arena,
    outbox: Outbox,
    ready: Ready,
    tally: Arc<MachineTally>,
    events: Arc<Events>,
    /// What the thread waits with; None: it is run by a simulation.
    wait: Option<Arc<Epoll>>,
}

impl Engine for FromDevices {
    fn begin(&mut self, now: Nanos) {
        if let Some(former) = self.adopted.refresh() {
            self.outbox.adopt(&self.adopted.table().peers);
            drop(former);
            self.adopted.acknowledge();
            // At once, not only at the next tick: a home may have frames waiting.
            self.say_ready(now);
        }
    }

    fn ready(&mut self, readiness: Readiness, now: Nanos) {
        let table = self.adopted.table();
        let Some(adapter) = table.of_token(readiness.token) else { return };
        let Some(device) = &adapter.device else { return };
        if adapter.paused {
            return;
        }
        let mut octets = 0;
        for _ in 0..FRAMES_A_TURN {
            let Some(slot) = self.free_slot(now) else { return };
            let length = match device.read(self.arena.bytes_mut(slot)) {
                Ok(length) => length,
                Err(error) => {
                    self.arena.release(slot);
                    if error.kind() != std::io::ErrorKind::WouldBlock {
                        self.give_up(adapter);
                    }
                    return;
                }
            };
            if let Err(cause) = self.send(&table, adapter, Piece::new(slot, 0..length)) {
                self.tally.dropped(Some(&adapter.tally), cause);
            }
            self.arena.release(slot);
            octets += length;
            if octets > OCTETS_A_TURN {
                return;
            }
        }
    }

    fn tick(&mut self, now: Nanos) {
        self.say_ready(now);
    }

    fn finish(&mut self, now: Nanos, _all_seen: bool) {
        self.outbox.flush(&mut self.arena, now);
    }

    fn next_deadline(&self) -> Option<Nanos> {
        None
    }

    fn farewell(&mut self, _now: Nanos) {}
}

impl FromDevices {
    pub fn new(adopted: Adopted<Forwarding>, outbox: Outbox, tally: Arc<MachineTally>, events: Arc<Events>) -> Self {
        Self { adopted, arena: Arena::new(SLOTS), outbox, ready: Ready::default(), tally, events, wait: None }
    }

    pub fn set_wait(&mut self, wait: Arc<Epoll>) {
        self.wait = Some(wait);
    }

    /// Somebody removed the device: it would be ready for ever, with nothing but its error.
    fn give_up(&self, adapter: &Adapter) {
        if let Some(fd) = adapter.device.as_ref().and_then(|it| it.fd())
            && let Some(wait) = &self.wait
            && let Err(error) = wait.remove(&fd)
        {
            tracing::warn!(%error, adapter = adapter.id.0, "cannot stop waiting for a device that is gone");
        }
        (self.events)(Event::DeviceFailed { adapter: adapter.id });
    }

    fn send(&mut self, table: &Forwarding, adapter: &Adapter, body: Piece) -> Result<(), Cause> {
        if body.len() < OFFLOAD_LENGTH + ETHERNET_HEADER_LENGTH {
            return Err(Cause::CutShort);
        }
        let home = adapter.home.ok_or(Cause::NotConnected)?;
        let flow = flow_hash(&self.arena.piece(body)[OFFLOAD_LENGTH..]);
        let rail = table.peers.entry(home).rail_for(flow)?;
        let record = RecordHeader { adapter: adapter.id, epoch: adapter.epoch, ready: false };
        let head = Head::EMPTY.with(&record.encode(body.len()));
        self.outbox.push(&mut self.arena, &table.peers, (home, rail), head, Some(body))?;
        adapter.tally.from_server.add(body.len() - OFFLOAD_LENGTH);
        Ok(())
    }

    /// A buffer; sends what is queued first when all are in use.
    fn free_slot(&mut self, now: Nanos) -> Option<crate::arena::Slot> {
        if self.arena.free_slots() < 4 {
            self.outbox.flush(&mut self.arena, now);
        }
        self.arena.take()
    }

    fn say_ready(&mut self, now: Nanos) {
        let table = self.adopted.table();
        let Self { ready, arena, outbox, tally, .. } = self;
        ready.tick(&table, now, |id| {
            if let Err(cause) = say_ready(&table, id, arena, outbox) {
                tally.dropped(None, cause);
            }
        });
    }
}

fn say_ready(table: &Forwarding, id: AdapterId, arena: &mut Arena, outbox: &mut Outbox) -> Result<(), Cause> {
    let adapter = table.find(id).ok_or(Cause::UnknownAdapter)?;
    let home = adapter.home.ok_or(Cause::NotConnected)?;
    let rail = table.peers.entry(home).rail_for(id.0)?;
    let record = RecordHeader { adapter: id, epoch: adapter.epoch, ready: true };
    outbox.push(arena, &table.peers, (home, rail), Head::EMPTY.with(&record.encode(0)), None)
}
