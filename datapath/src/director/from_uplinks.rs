//! A director's thread for what comes from the LANs: to the servers. It also announces.

use std::sync::Arc;

use twinrail_datapath_sys::{Readiness, ReceiveQueue};

use super::announce::{Announcer, Due, announcements};
use super::delivery::{Delivery, Switched};
use super::forwarding::Forwarding;
use super::gate::Gate;
use super::switch::{self, Route};
use super::uplinks::UplinkQueues;
use crate::Cause;
use crate::arena::{Arena, Lent, Piece};
use crate::counters::MachineTally;
use crate::driver::Engine;
use crate::edge::{Arrival, ArrivalTag};
use crate::event::{Event, Events};
use crate::exchange::Adopted;
use crate::flow::flow_hash;
use crate::frame::FrameView;
use crate::outbox::Outbox;
use crate::rail::Nanos;

/// Frames received by one system call.
const RECEIVE_BATCH: usize = 32;

/// Buffers of the thread; see the rails' side.
const SLOTS: u16 = 512;

pub(crate) struct FromUplinks {
    adopted: Adopted<Forwarding>,
    arena: Arena,
    outbox: Outbox,
    receiver: ReceiveQueue,
    lent: Vec<Lent>,
    arrivals: Vec<Arrival>,
    /// Announcements.
    uplinks: UplinkQueues,
    announcer: Announcer,
    due: Vec<Due>,
    gate: Gate,
    carrying: bool,
    /// A receive of this turn may have left something behind.
    more: bool,
    tally: Arc<MachineTally>,
    events: Arc<Events>,
}

impl Engine for FromUplinks {
    fn begin(&mut self, now: Nanos) {
        if let Some(former) = self.adopted.refresh() {
            let table = self.adopted.table();
            self.outbox.adopt(&table.peers);
            self.uplinks.adopt(&table);
            self.announcer.adopt(&table);
            drop(former);
            self.adopted.acknowledge();
        }
        self.more = false;
        if let Some(for_ns) = self.gate.begin(now) {
            (self.events)(Event::Stalled { for_ns });
        }
        let carrying = self.gate.closed().is_none();
        if carrying != std::mem::replace(&mut self.carrying, carrying) {
            (self.events)(if carrying { Event::Started } else { Event::Stopped });
        }
    }

    fn ready(&mut self, readiness: Readiness, now: Nanos) {
        let table = self.adopted.table();
        let Some(port) = table.port_of_token(readiness.token) else { return };
        let Some(uplink) = &table.port(port).uplink else { return };
        self.arena.lend(RECEIVE_BATCH, &mut self.lent);
        let mut arrivals = std::mem::take(&mut self.arrivals);
        match uplink.receive(&mut self.receiver, &mut self.lent, &mut arrivals) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::NetworkDown => {
                (self.events)(Event::PortFailed { lan: table.port(port).lan.clone() });
            }
            // A frame whose offload the kernel cannot express to us.
            Err(_) => self.tally.dropped(None, Cause::UplinkRefused),
        }
        let mut slots = [None; RECEIVE_BATCH];
        for (slot, lent) in slots.iter_mut().zip(&self.lent) {
            *slot = Some(lent.slot);
        }
        self.more |= arrivals.len() == self.lent.len();
        self.arena.give_back(&mut self.lent, arrivals.len());
        for arrival in arrivals.drain(..) {
            let Some(slot) = slots[arrival.buffer] else { continue };
            let body = Piece::new(slot, 0..arrival.length);
            if let Err(cause) = self.switch(&table, port, &arrival, body, now) {
                self.tally.dropped(None, cause);
            }
            self.arena.release(slot);
        }
        self.arrivals = arrivals;
    }

    fn tick(&mut self, _now: Nanos) {}

    fn finish(&mut self, now: Nanos, all_seen: bool) {
        let table = self.adopted.table();
        self.outbox.flush(&mut self.arena, now);
        self.announce(&table, now);
        self.gate.finish(all_seen && !self.more);
    }

    fn next_deadline(&self) -> Option<Nanos> {
        if self.carrying { self.announcer.next_deadline() } else { None }
    }

    fn farewell(&mut self, _now: Nanos) {}
}

impl FromUplinks {
    pub fn new(
        adopted: Adopted<Forwarding>,
        outbox: Outbox,
        uplinks: UplinkQueues,
        gate: Gate,
        (tally, events): (Arc<MachineTally>, Arc<Events>),
    ) -> Self {
        Self {
            adopted,
            arena: Arena::new(SLOTS),
            outbox,
            receiver: ReceiveQueue::default(),
            lent: Vec::with_capacity(RECEIVE_BATCH),
            arrivals: Vec::with_capacity(RECEIVE_BATCH),
            uplinks,
            announcer: Announcer::default(),
            due: Vec::new(),
            gate,
            carrying: false,
            more: false,
            tally,
            events,
        }
    }

    fn switch(
        &mut self,
        table: &Forwarding,
        port: u32,
        arrival: &Arrival,
        body: Piece,
        now: Nanos,
    ) -> Result<(), Cause> {
        if let Some(cause) = self.gate.closed() {
            return Err(cause);
        }
        let view = match arrival.tag {
            _ if arrival.truncated => return Err(Cause::TooLarge),
            ArrivalTag::None => FrameView::parse(&self.arena, body)?,
            ArrivalTag::Vlan(tag) => FrameView::with_stripped_tag(&self.arena, body, tag)?,
            ArrivalTag::Service => return Err(Cause::WrongVlan),
        };
        let vlan = view.vlan();
        let route = switch::route_from_uplink(table.port(port), &view, vlan)?;
        let flow = flow_hash(&self.arena.piece(body)[10..]);
        let frame = Switched { view: &view, vlan, flow };
        let mut delivery =
            Delivery { table, arena: &mut self.arena, outbox: &mut self.outbox, tally: &self.tally, now };
        match route {
            Route::Adapter(target) => delivery.deliver(target, frame),
            Route::Flood => {
                for &member in table.port(port).members(vlan) {
                    delivery.deliver(member, frame);
                }
            }
            Route::Uplink => {}
        }
        Ok(())
    }

    /// Sends the announcements that are due.
    fn announce(&mut self, table: &Forwarding, now: Nanos) {
        if self.gate.closed().is_some() {
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        self.announcer.take_due(table, now, &mut due);
        for Due { adapter: index, first } in &due {
            let adapter = table.adapter(*index);
            if *first {
                (self.events)(Event::Carrying { adapter: adapter.id, epoch: adapter.epoch });
            }
            let Some(port) = adapter.port else { continue };
            for head in announcements(adapter) {
                self.uplinks.push(&mut self.arena, port, *index, head, None);
            }
        }
        self.uplinks.flush(&mut self.arena, table, &mut self.gate);
        for Due { adapter: index, first: _ } in due.drain(..).filter(|it| it.first) {
            let adapter = table.adapter(index);
            if adapter.port.is_some_and(|it| table.port(it).uplink.is_some()) {
                (self.events)(Event::Announced { adapter: adapter.id, epoch: adapter.epoch });
            }
        }
        self.due = due;
    }
}
