//! A server's thread for what comes from the rails: into the devices.

use std::sync::Arc;

use twinrail_datapath_sys::Readiness;
use twinrail_proto::domain::Rail;
use twinrail_proto::rail::{OFFLOAD_LENGTH, RecordHeader, next_record};

use super::forwarding::{Adapter, Forwarding};
use crate::Cause;
use crate::arena::Piece;
use crate::clock::Clock;
use crate::counters::MachineTally;
use crate::driver::{Engine, RAIL};
use crate::exchange::Adopted;
use crate::rail::Nanos;
use crate::rail_side::{RailSide, RecordsFrom};
use crate::recorder::Recorder;

pub(crate) struct FromRails {
    pub(super) adopted: Adopted<Forwarding>,
    pub(super) side: RailSide,
    pub(super) tally: Arc<MachineTally>,
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) clock: Clock,
    pub(super) records: Vec<RecordsFrom>,
}

impl Engine for FromRails {
    fn begin(&mut self, _now: Nanos) {
        if let Some(former) = self.adopted.refresh() {
            self.side.adopt(&self.adopted.table().peers);
            drop(former);
            self.adopted.acknowledge();
        }
        self.side.begin();
    }

    fn ready(&mut self, readiness: Readiness, now: Nanos) {
        let Some(rail) = Rail::ALL.into_iter().find(|it| RAIL + it.index() as u64 == readiness.token) else { return };
        let table = self.adopted.table();
        if readiness.error {
            self.side.read_refusals(rail, &table.peers, now);
        }
        let mut records = std::mem::take(&mut self.records);
        self.side.receive(rail, &table.peers, now, &mut records);
        for from in records.drain(..) {
            self.forward(&table, from);
            self.side.arena.release(from.records.slot);
        }
        self.records = records;
    }

    fn tick(&mut self, now: Nanos) {
        self.side.tick(now);
    }

    fn finish(&mut self, now: Nanos, _all_seen: bool) {
        self.side.flush(now);
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.side.next_deadline()
    }

    fn farewell(&mut self, now: Nanos) {
        self.side.farewell(now);
    }
}

impl FromRails {
    fn forward(&mut self, table: &Forwarding, from: RecordsFrom) {
        let mut at = 0;
        while let Some(record) = next_record(self.side.arena.piece(from.records), at) {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.tally.dropped(None, error.into()),
            };
            at = record.body.end;
            let start = from.records.start as usize;
            let body = Piece::new(from.records.slot, start + record.body.start..start + record.body.end);
            self.deliver(table, from.peer, &record.header, body);
        }
    }

    fn deliver(&mut self, table: &Forwarding, peer: u32, header: &RecordHeader, body: Piece) {
        let adapter = match table.admit(peer, header) {
            Ok(adapter) => adapter,
            Err((adapter, cause)) => return self.tally.dropped(adapter.map(|it| &*it.tally), cause),
        };
        match self.write(adapter, body) {
            Ok(()) => adapter.tally.to_server.add(body.len() - OFFLOAD_LENGTH),
            Err(cause) => self.tally.dropped(Some(&adapter.tally), cause),
        }
    }

    fn write(&self, adapter: &Adapter, body: Piece) -> Result<(), Cause> {
        let device = adapter.device.as_ref().ok_or(Cause::NotConnected)?;
        if let Some((recorder, slot)) = self.recorder.as_ref().zip(adapter.record) {
            recorder.note(slot, self.clock.now());
        }
        device.write(self.side.arena.piece(body)).map_err(|_| Cause::DeviceRefused)
    }
}
