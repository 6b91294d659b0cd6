//! Hellos on every path, and what is learnt from them. Part of the thread that receives from the rails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use twinrail_proto::domain::Rail;
use twinrail_proto::rail::{Header, Hello, Incarnation, Kind};

use crate::arena::Arena;
use crate::event::{Event, Events};
use crate::head::Head;
use crate::liveness::{Change, Liveness};
use crate::outbox::Outbox;
use crate::peer::{PeerEntry, PeerTable};
use crate::rail::{Nanos, Outgoing};

/// Hellos are never fragmented: they fit every datagram.
const HELLO_LIMIT: u32 = 1232;

pub(crate) struct Prober {
    header: Header,
    interval: Duration,
    patience: Nanos,
    sequence: u64,
    paths: Vec<[Liveness; 2]>,
    entries: Vec<Arc<PeerEntry>>,
    events: Arc<Events>,
}

impl Prober {
    pub fn new(header: Header, interval: Duration, missed: u32, events: Arc<Events>) -> Self {
        let header = Header { kind: Kind::Hello, ..header };
        let patience = interval.as_nanos() as Nanos * u64::from(missed);
        Self { header, interval, patience, sequence: 0, paths: Vec::new(), entries: Vec::new(), events }
    }

    /// Takes the peers of a new table. Those that stay keep what is known of their paths.
    pub fn adopt(&mut self, peers: &PeerTable) {
        let known = std::mem::take(&mut self.entries).into_iter().zip(std::mem::take(&mut self.paths));
        let mut known: BTreeMap<*const PeerEntry, [Liveness; 2]> =
            known.map(|(entry, paths)| (Arc::as_ptr(&entry), paths)).collect();
        let new = || [self.new_path(), self.new_path()];
        self.paths = peers.entries().iter().map(|it| known.remove(&Arc::as_ptr(it)).unwrap_or_else(new)).collect();
        self.entries = peers.entries().to_vec();
    }

    /// Any message came. True: the path came up or went down.
    pub fn on_message(&mut self, peer: u32, rail: Rail, from: Incarnation, now: Nanos) {
        let change = self.paths[peer as usize][rail.index()].on_message(from, now);
        self.apply(peer, rail, change, now);
    }

    pub fn on_hello(&mut self, peer: u32, rail: Rail, hello: &Hello, outbox: &mut Outbox, now: Nanos) {
        let change = self.paths[peer as usize][rail.index()].on_hello(hello, now);
        if change == Some(Change::Up) {
            outbox.refresh(rail);
        }
        let cell = &self.entries[peer as usize].paths[rail.index()];
        cell.set_limit(outbox.limit(rail).min(hello.receives.max(HELLO_LIMIT)));
        self.apply(peer, rail, change, now);
    }

    pub fn on_refused(&mut self, peer: u32, rail: Rail, now: Nanos) {
        let change = self.paths[peer as usize][rail.index()].on_refused();
        self.apply(peer, rail, change, now);
    }

    /// The interval is over: judges every path, and says hello on it. `judge`: everything that had come was seen.
    pub fn tick(&mut self, arena: &mut Arena, outbox: &mut Outbox, judge: bool, now: Nanos) {
        self.sequence += 1;
        for peer in 0..self.paths.len() as u32 {
            for rail in Rail::ALL {
                if judge {
                    let change = self.paths[peer as usize][rail.index()].on_tick(now);
                    self.apply(peer, rail, change, now);
                }
                self.publish(peer, rail);
                self.say_hello(arena, outbox, peer, rail, false, now);
            }
        }
    }

    /// Tells every peer that this machine stops, so that nobody waits for the missed hellos.
    pub fn say_goodbye(&mut self, arena: &mut Arena, outbox: &mut Outbox, now: Nanos) {
        for peer in 0..self.paths.len() as u32 {
            for rail in Rail::ALL {
                self.say_hello(arena, outbox, peer, rail, true, now);
            }
        }
    }

    fn new_path(&self) -> Liveness {
        Liveness::new(self.header.incarnation, self.patience)
    }

    fn say_hello(&self, arena: &mut Arena, outbox: &mut Outbox, peer: u32, rail: Rail, going: bool, now: Nanos) {
        let liveness = &self.paths[peer as usize][rail.index()];
        let (echo, held_us) = liveness.echo(now);
        let hello = Hello {
            sequence: self.sequence,
            interval_us: self.interval.as_micros() as u32,
            hears: liveness.hears(),
            going,
            sent: now,
            echo,
            held_us,
            receives: outbox.limit(rail),
        };
        let head = Head::EMPTY.with(&self.header.encode()).with(&hello.encode());
        let to = self.entries[peer as usize].addresses.on(rail);
        outbox.post(arena, rail, Outgoing { to, limit: HELLO_LIMIT, head, body: None });
    }

    fn publish(&self, peer: u32, rail: Rail) {
        let liveness = &self.paths[peer as usize][rail.index()];
        self.entries[peer as usize].paths[rail.index()].note(liveness.last_heard(), liveness.round_trip());
    }

    fn apply(&self, peer: u32, rail: Rail, change: Option<Change>, now: Nanos) {
        let Some(change) = change else { return };
        let entry = &self.entries[peer as usize];
        entry.paths[rail.index()].set_up(change == Change::Up, now);
        self.publish(peer, rail);
        let peer = entry.machine.clone();
        (self.events)(match change {
            Change::Up => Event::PathUp { peer, rail },
            Change::Down(cause) => Event::PathDown { peer, rail, cause },
        });
    }
}
