//! Frames on their way out to the LANs, gathered over one turn of a thread.

use std::sync::Arc;

use twinrail_datapath_sys::{BATCH, SendQueue};

use super::forwarding::{Adapter, Forwarding};
use super::gate::Gate;
use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::counters::MachineTally;
use crate::edge::UplinkFrame;
use crate::head::Head;
use crate::rail::Nanos;
use crate::recorder::{RecordSlot, Recorded, Recorder};

/// When so many frames wait for a port they are sent: a system call takes no more, and what they hold is still in the
/// processor's cache.
const FULL: usize = BATCH;

pub(super) struct UplinkQueues {
    /// By port.
    queues: Vec<Vec<UplinkFrame>>,
    sender: SendQueue,
    failed: Vec<(u32, Cause)>,
    recorder: Option<Arc<Recorder>>,
    /// As what these frames are recorded.
    recorded: Recorded,
    tally: Arc<MachineTally>,
}

impl UplinkQueues {
    pub fn new(recorder: Option<Arc<Recorder>>, recorded: Recorded, tally: Arc<MachineTally>) -> Self {
        Self { queues: Vec::new(), sender: SendQueue::default(), failed: Vec::new(), recorder, recorded, tally }
    }

    pub fn adopt(&mut self, table: &Forwarding) {
        assert!(self.queues.iter().all(Vec::is_empty), "a table may change only between turns");
        self.queues.resize_with(table.ports().len(), Vec::new);
    }

    /// Queues a frame of the adapter for the LAN's port.
    pub fn push(&mut self, arena: &mut Arena, port: u32, adapter: u32, head: Head, body: Option<Piece>) {
        if let Some(body) = body {
            arena.hold(body.slot);
        }
        self.queues[port as usize].push(UplinkFrame { adapter, head, body });
    }

    /// Sends everything, unless the gate has closed meanwhile.
    pub fn flush(&mut self, arena: &mut Arena, table: &Forwarding, gate: &mut Gate) {
        self.flush_longer(arena, table, gate, 0);
    }

    /// Sends for those ports that have a full batch.
    pub fn flush_full(&mut self, arena: &mut Arena, table: &Forwarding, gate: &mut Gate) {
        self.flush_longer(arena, table, gate, FULL - 1);
    }

    fn flush_longer(&mut self, arena: &mut Arena, table: &Forwarding, gate: &mut Gate, than: usize) {
        for port in 0..self.queues.len() {
            if self.queues[port].len() > than {
                self.flush_port(arena, table, port, gate);
            }
        }
    }

    fn flush_port(&mut self, arena: &mut Arena, table: &Forwarding, port: usize, gate: &mut Gate) {
        let queue = std::mem::take(&mut self.queues[port]);
        let mut failed = std::mem::take(&mut self.failed);
        match (gate.check_again(), &table.ports()[port].uplink) {
            (Ok(now), Some(uplink)) => {
                self.record(table, &queue, now);
                uplink.send(&mut self.sender, arena, &queue, &mut failed);
            }
            (Ok(_), None) => failed.extend(queue.iter().map(|it| (it.adapter, Cause::NoUplink))),
            (Err(cause), _) => failed.extend(queue.iter().map(|it| (it.adapter, cause))),
        }
        for (adapter, cause) in failed.drain(..) {
            self.tally.dropped(Some(&table.adapter(adapter).tally), cause);
        }
        self.failed = failed;
        self.give_back(arena, port, queue);
    }

    fn record(&self, table: &Forwarding, queue: &[UplinkFrame], now: Nanos) {
        let Some(recorder) = &self.recorder else { return };
        for frame in queue {
            if let Some(slot) = self.slot(table.adapter(frame.adapter)) {
                recorder.note(slot, now);
            }
        }
    }

    fn slot(&self, adapter: &Adapter) -> Option<RecordSlot> {
        match self.recorded {
            Recorded::ToLan => adapter.to_lan,
            Recorded::Announced => adapter.announced,
            Recorded::ToDevice => None,
        }
    }

    /// Releases the buffers, and keeps the queue's memory for the next turn.
    fn give_back(&mut self, arena: &mut Arena, port: usize, mut queue: Vec<UplinkFrame>) {
        for body in queue.drain(..).filter_map(|it| it.body) {
            arena.release(body.slot);
        }
        self.queues[port] = queue;
    }
}
