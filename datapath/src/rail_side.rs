//! The half of an engine that faces the rails: receives, sorts hellos from frames, sends. The same on directors and
//! servers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use twinrail_proto::domain::Rail;
use twinrail_proto::rail::{HEADER_LENGTH, Header, Incarnation, Kind, Message, parse};

use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::counters::MachineTally;
use crate::event::{Event, Events};
use crate::outbox::Outbox;
use crate::peer::PeerTable;
use crate::prober::Prober;
use crate::rail::{Incoming, Nanos, RailReceiver, RailSender};

/// Buffers of the thread: a batch from each rail, a packed message for each of many paths, and the rest held by what is
/// still to be sent. Only those in use are in memory.
const SLOTS: u16 = 512;

/// Machines of another cluster say hello a hundred times a second: it is told once in so long.
const OTHER_CLUSTER_EVERY: Nanos = 10_000_000_000;

pub(crate) struct RailSide {
    pub arena: Arena,
    pub outbox: Outbox,
    receivers: [Box<dyn RailReceiver>; 2],
    prober: Prober,
    header: Header,
    incoming: Vec<Incoming>,
    tally: Arc<MachineTally>,
    events: Arc<Events>,
    /// When another cluster was told of last.
    other_cluster_told: Option<Nanos>,
    /// A receive of this turn may have left something behind.
    more: bool,
}

/// Records from a peer. Whoever takes them releases the slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordsFrom {
    pub peer: u32,
    pub records: Piece,
}

/// How this machine says hello.
pub(crate) struct Hellos {
    pub interval: Duration,
    pub missed: u32,
    pub events: Arc<Events>,
}

impl RailSide {
    pub fn new(
        header: Header,
        receivers: [Box<dyn RailReceiver>; 2],
        senders: [Box<dyn RailSender>; 2],
        hellos: Hellos,
        tally: Arc<MachineTally>,
    ) -> Self {
        Self {
            arena: Arena::new(SLOTS),
            outbox: Outbox::new(header, senders, Arc::clone(&tally)),
            receivers,
            events: Arc::clone(&hellos.events),
            other_cluster_told: None,
            prober: Prober::new(header, hellos.interval, hellos.missed, hellos.events),
            header,
            incoming: Vec::with_capacity(256),
            tally,
            more: false,
        }
    }

    pub fn adopt(&mut self, peers: &PeerTable) {
        self.outbox.adopt(peers);
        self.prober.adopt(peers);
    }

    pub fn begin(&mut self) {
        self.more = false;
    }

    /// Takes a batch from a rail: hellos are dealt with, records are added to `into`.
    pub fn receive(&mut self, rail: Rail, peers: &PeerTable, now: Nanos, into: &mut Vec<RecordsFrom>) {
        let mut incoming = std::mem::take(&mut self.incoming);
        let report = self.receivers[rail.index()].receive(&mut self.arena, now, &mut incoming);
        self.more |= report.more;
        self.tally.drops.add(Cause::UnknownPeer, report.strangers);
        self.tally.drops.add(Cause::BadFragment, report.bad_fragments);
        self.tally.drops.add(Cause::Incomplete, report.incomplete);
        self.tally.drops.add(Cause::NoBuffer, report.no_buffer);
        self.tally.messages_received.add(incoming.len() as u64);
        for message in incoming.drain(..) {
            match self.sort(rail, peers, message, now) {
                Ok(Some(records)) => into.push(records),
                Ok(None) => self.arena.release(message.message.slot),
                Err(cause) => {
                    self.tally.drops.add(cause, 1);
                    self.arena.release(message.message.slot);
                }
            }
        }
        self.incoming = incoming;
        if report.closed {
            self.read_refusals(rail, peers, now);
        }
    }

    /// The kernel has news of messages that came to nothing.
    pub fn read_refusals(&mut self, rail: Rail, peers: &PeerTable, now: Nanos) {
        while let Some(address) = self.receivers[rail.index()].next_refusal() {
            if let Some(peer) = peers.at(rail, address) {
                self.prober.on_refused(peer, rail, now);
            }
        }
        while let Some(cause) = self.receivers[rail.index()].next_cause() {
            self.tally.drops.add(cause, 1);
        }
    }

    /// Judges the paths, but not while something unread may prove that they live; and says hello.
    pub fn tick(&mut self, now: Nanos) {
        self.prober.tick(&mut self.arena, &mut self.outbox, !self.more, now);
    }

    pub fn flush(&mut self, now: Nanos) {
        self.outbox.flush(&mut self.arena, now);
    }

    pub fn farewell(&mut self, now: Nanos) {
        self.prober.say_goodbye(&mut self.arena, &mut self.outbox, now);
        self.flush(now);
    }

    pub fn has_more(&self) -> bool {
        self.more
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.receivers.iter().filter_map(|it| it.next_deadline()).min()
    }

    pub fn fd(&self, rail: Rail) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.receivers[rail.index()].fd()
    }

    fn sort(
        &mut self,
        rail: Rail,
        peers: &PeerTable,
        Incoming { from, message }: Incoming,
        now: Nanos,
    ) -> Result<Option<RecordsFrom>, Cause> {
        let (header, parsed) = parse(self.arena.piece(message))?;
        let hello = match parsed {
            Message::Hello(hello) => Some(hello),
            Message::Frames(_) => None,
            // The rail puts fragments together; one that comes here was inside of another.
            Message::Fragment(_) => return Err(Cause::BadFragment),
            // A peer that takes this rail for one over verbs.
            Message::Connection(_) => return Err(Cause::OtherRail),
        };
        if header.cluster != self.header.cluster {
            self.tell_other_cluster(from, rail, now);
            return Err(Cause::OtherCluster);
        }
        let peer = peers.at(rail, from).ok_or(Cause::UnknownPeer)?;
        self.prober.on_message(peer, rail, header.incarnation, now);
        if let Some(hello) = hello {
            self.prober.on_hello(peer, rail, &hello, &mut self.outbox, now);
            return Ok(None);
        }
        let records = Piece { start: message.start + HEADER_LENGTH as u32, ..message };
        Ok(Some(RecordsFrom { peer, records }))
    }

    fn tell_other_cluster(&mut self, from: IpAddr, rail: Rail, now: Nanos) {
        if self.other_cluster_told.is_none_or(|told| now.saturating_sub(told) >= OTHER_CLUSTER_EVERY) {
            self.other_cluster_told = Some(now);
            (self.events)(Event::OtherCluster { from, rail });
        }
    }
}

/// The header of this machine's messages; the kind is set for each.
pub(crate) fn own_header(cluster: &str) -> Header {
    let incarnation = Incarnation::from_random(rand::random());
    Header { kind: Kind::Hello, cluster: twinrail_proto::rail::ClusterTag::of(cluster), incarnation }
}
