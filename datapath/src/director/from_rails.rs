//! A director's thread for what comes from the rails: to the LAN, or to other servers.

use std::sync::Arc;

use twinrail_datapath_sys::Readiness;
use twinrail_proto::domain::Rail;
use twinrail_proto::rail::{RecordHeader, next_record};

use super::delivery::{Delivery, Switched};
use super::forwarding::{Adapter, Forwarding};
use super::gate::Gate;
use super::switch::{self, Route};
use super::uplinks::UplinkQueues;
use crate::Cause;
use crate::arena::Piece;
use crate::counters::MachineTally;
use crate::driver::{Engine, RAIL};
use crate::event::{Event, Events};
use crate::exchange::Adopted;
use crate::flow::flow_hash;
use crate::frame::FrameView;
use crate::head::Head;
use crate::rail::Nanos;
use crate::rail_side::{RailSide, RecordsFrom};

pub(crate) struct FromRails {
    pub(super) adopted: Adopted<Forwarding>,
    pub(super) side: RailSide,
    pub(super) uplinks: UplinkQueues,
    pub(super) gate: Gate,
    pub(super) tally: Arc<MachineTally>,
    pub(super) events: Arc<Events>,
    pub(super) records: Vec<RecordsFrom>,
}

impl Engine for FromRails {
    fn begin(&mut self, now: Nanos) {
        if let Some(former) = self.adopted.refresh() {
            let table = self.adopted.table();
            self.side.adopt(&table.peers);
            self.uplinks.adopt(&table);
            drop(former);
            self.adopted.acknowledge();
        }
        self.side.begin();
        if let Some(for_ns) = self.gate.begin(now) {
            (self.events)(Event::Stalled { for_ns });
        }
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
            self.forward(&table, from, now);
            self.side.arena.release(from.records.slot);
        }
        self.records = records;
    }

    fn tick(&mut self, now: Nanos) {
        self.side.tick(now);
    }

    fn finish(&mut self, now: Nanos, all_seen: bool) {
        let table = self.adopted.table();
        self.uplinks.flush(&mut self.side.arena, &table, &mut self.gate);
        self.side.flush(now);
        self.gate.finish(all_seen && !self.side.has_more());
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.side.next_deadline()
    }

    fn farewell(&mut self, now: Nanos) {
        self.side.farewell(now);
    }
}

impl FromRails {
    fn forward(&mut self, table: &Forwarding, from: RecordsFrom, now: Nanos) {
        let mut at = 0;
        while let Some(record) = next_record(self.side.arena.piece(from.records), at) {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.tally.dropped(None, error.into()),
            };
            at = record.body.end;
            let start = from.records.start as usize;
            let body = Piece::new(from.records.slot, start + record.body.start..start + record.body.end);
            self.one(table, from.peer, &record.header, body, now);
            self.uplinks.flush_full(&mut self.side.arena, table, &mut self.gate);
        }
    }

    fn one(&mut self, table: &Forwarding, peer: u32, header: &RecordHeader, body: Piece, now: Nanos) {
        match self.gate.closed() {
            Some(_) if header.ready => return,
            Some(cause) => return self.tally.dropped(None, cause),
            None => {}
        }
        let (index, adapter) = match switch::admit(table, peer, header) {
            Ok(admitted) => admitted,
            // No frame was lost: the server says it again.
            Err(_) if header.ready => return,
            Err((adapter, cause)) => return self.tally.dropped(adapter.map(|it| &*it.tally), cause),
        };
        let news = !adapter.hold.is_open(adapter.epoch);
        if header.ready || news {
            adapter.hold.hear(now);
        }
        if news {
            self.delivery(table, now).open(adapter);
            (self.events)(Event::ServerReady { adapter: adapter.id, epoch: adapter.epoch });
        }
        if header.ready {
            return;
        }
        if let Err(cause) = self.switch(table, (index, adapter), body, now) {
            self.tally.dropped(Some(&adapter.tally), cause);
        }
    }

    fn switch(
        &mut self,
        table: &Forwarding,
        (index, adapter): (u32, &Adapter),
        body: Piece,
        now: Nanos,
    ) -> Result<(), Cause> {
        let view = FrameView::parse(&self.side.arena, body)?;
        let vlan = switch::ingress(adapter, &view)?;
        let port = adapter.port.ok_or(Cause::NoUplink)?;
        adapter.tally.from_server.add(view.frame_length(view.ethernet.tag.is_some()));
        let route = switch::route_from_adapter(table.port(port), &view, vlan);
        if route != Route::Uplink {
            let flow = flow_hash(&self.side.arena.piece(body)[10..]);
            let frame = Switched { view: &view, vlan, flow };
            let mut delivery = self.delivery(table, now);
            match route {
                Route::Adapter(target) => delivery.deliver(target, frame),
                Route::Flood => {
                    for &member in table.port(port).members(vlan).iter().filter(|&&it| it != index) {
                        delivery.deliver(member, frame);
                    }
                }
                Route::Uplink => {}
            }
        }
        if !matches!(route, Route::Adapter(_)) {
            let head = view.head(Head::EMPTY, (vlan != 0).then(|| view.tag_for(vlan)));
            self.uplinks.push(&mut self.side.arena, port, index, head, Some(view.payload));
        }
        Ok(())
    }

    fn delivery<'t>(&'t mut self, table: &'t Forwarding, now: Nanos) -> Delivery<'t> {
        let RailSide { arena, outbox, .. } = &mut self.side;
        Delivery { table, arena, outbox, tally: &self.tally, now }
    }
}
