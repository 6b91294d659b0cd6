//! The thread that carries all vHBAs of a director. It waits for nothing but its connections, its sessions, its bell and the
//! time, and it runs in turns:
//!
//! ```text
//!   wait ─▶ away for too long? ─▶ orders: table, grant, rescans ─▶ may it carry? ─▶ times that have come ─▶ connections and sessions
//!    ▲                                                                                                            │ news
//!    └──────────────────────────────── what changed is shown on the board ◀───────────────────────────────────────┘
//! ```
//!
//! **The one that wakes up.** A director that was stopped for a while and goes on has commands in its connections that it must
//! not carry any more. So each turn begins with the clock. Past the end of the lease all sessions are dropped before anything
//! is read. After the thread was away for longer than [`STALL`], nothing is read, from servers or from SANs, before a lease is
//! granted that was asked for after that: by then the table says who the home is. What the thread had handed to its kernel,
//! or was just handing over when it was stopped, meets the fence of the next home at the target.
//!
//! [`STALL`]: twinrail_datapath::STALL

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use twinrail_datapath::commands::target::News;
use twinrail_datapath::{Lease, Nanos, Pause, StallGuard, Waiter};
use twinrail_proto::domain::AdapterId;

use super::board::{Board, Orders};
use super::home::{Home, Place};
use super::table::VhbaTable;

/// The longest wait: a thread that slept for longer cannot tell whether it was stopped.
const LONGEST_WAIT: Nanos = twinrail_datapath::STALL / 3;

/// The board's counters are refreshed so often.
const REFRESH: Nanos = 100_000_000;

/// While a quorum round is waited for, it is asked for again so often: an answer may have been lost.
const HURRY_EVERY: Nanos = 50_000_000;

/// Turns over connections and sessions before the thread looks at its clock again: what follows from news is done at once.
const TURNS: usize = 4;

pub struct Carrier {
    place: Place,
    homes: BTreeMap<AdapterId, Home>,
    lease: Lease,
    guard: StallGuard,
    board: Arc<Board>,
    news: Vec<(AdapterId, News)>,
    /// There is something to be done at once.
    more: bool,
    /// The phases that the board shows.
    shown: BTreeMap<AdapterId, &'static str>,
    refresh_at: Nanos,
    /// When a round was asked for last, and the newest question that it was asked for.
    hurried: (Nanos, Nanos),
}

/// Whether the director may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Carry,
    /// It may have slept through the news that it may not: nothing moves until that is known.
    Wait,
    /// There is no session: whoever connects is refused.
    Lapsed,
}

impl Carrier {
    pub fn new(place: Place, board: Arc<Board>) -> Self {
        Self {
            place,
            homes: BTreeMap::new(),
            lease: Lease::default(),
            guard: StallGuard::default(),
            board,
            news: Vec::new(),
            more: false,
            shown: BTreeMap::new(),
            refresh_at: 0,
            hurried: (0, 0),
        }
    }

    /// Until it is told to stop, or a descriptor fails.
    pub fn run(mut self, mut waiter: Waiter) -> io::Result<()> {
        while !self.board.is_stopped() {
            // What may not be read now would end each wait at once.
            match self.right() {
                Right::Wait => waiter.wait_for_bell(self.next_deadline())?,
                Right::Carry | Right::Lapsed => waiter.wait(self.next_deadline())?,
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Everything that can be done now.
    pub fn turn(&mut self) -> io::Result<()> {
        let now = self.place.clock.now();
        if let Some(away) = self.guard.begin(now) {
            self.lease.stall(now);
            tracing::warn!(
                director = %self.place.director,
                stopped_ms = away / 1_000_000,
                "the vHBAs were not carried for a while: they go on when the lease is renewed"
            );
        }
        self.follow_lease();
        self.follow_orders();
        self.more = true;
        for _ in 0..TURNS {
            self.more = self.more && self.follow_lease() != Right::Wait && self.carry()?;
        }
        self.show();
        Ok(())
    }

    pub fn next_deadline(&self) -> Nanos {
        let now = self.place.clock.now();
        if self.more {
            return now;
        }
        let homes = self.homes.values().filter_map(Home::next_deadline);
        let lease = Some(self.lease.until()).filter(|&it| it > now);
        let due = homes.chain(self.place.targets.next_deadline()).chain(lease).min();
        due.unwrap_or(Nanos::MAX).min(now + LONGEST_WAIT)
    }

    fn right(&self) -> Right {
        let now = self.place.clock.now();
        match self.lease.check(now) {
            Ok(()) => Right::Carry,
            Err(Pause::Stalled) if now < self.lease.until() => Right::Wait,
            Err(Pause::Stalled | Pause::NoLease) => Right::Lapsed,
        }
    }

    fn follow_lease(&mut self) -> Right {
        let right = self.right();
        if right != Right::Wait {
            for home in self.homes.values_mut() {
                home.set_lease(right == Right::Carry, &mut self.place);
            }
        }
        right
    }

    fn follow_orders(&mut self) {
        let Orders { table, grant, rescans } = self.board.take_orders();
        if let Some((number, table)) = table {
            self.follow_table(table);
            self.board.adopt(number);
        }
        if let Some(grant) = grant {
            self.lease.extend(grant);
            self.follow_lease();
            for home in self.homes.values_mut() {
                home.granted(grant.asked_at, &mut self.place);
            }
        }
        let now = self.place.clock.now();
        for adapter in rescans {
            if let Some(target) = self.place.targets.target(adapter) {
                target.rescan(now);
            }
        }
    }

    fn follow_table(&mut self, table: VhbaTable) {
        let VhbaTable { vhbas, servers } = table;
        self.place.targets.set_servers(servers);
        for (_, home) in self.homes.extract_if(.., |adapter, _| !vhbas.contains_key(adapter)) {
            home.close(&mut self.place);
        }
        let live = self.right() == Right::Carry;
        for (adapter, wanted) in vhbas {
            match self.homes.get_mut(&adapter) {
                Some(home) => home.set(wanted, &mut self.place),
                None => {
                    self.homes.insert(adapter, Home::new(adapter, wanted, live, &mut self.place));
                }
            }
        }
    }

    /// Times that have come, then connections and sessions, then their news. False: there were none.
    fn carry(&mut self) -> io::Result<bool> {
        let now = self.place.clock.now();
        for home in self.homes.values_mut().filter(|it| it.next_deadline().is_some_and(|at| at <= now)) {
            home.tick(&mut self.place);
        }
        self.place.targets.turn(now, &mut self.news)?;
        if self.news.is_empty() {
            return Ok(false);
        }
        let sessions: BTreeMap<_, _> = self.homes.iter().map(|(&adapter, it)| (adapter, it.login())).collect();
        for (adapter, news) in std::mem::take(&mut self.news) {
            let home = self.homes.get_mut(&adapter);
            // What an earlier session says after a new one began was said of the earlier one.
            if let Some(home) = home.filter(|it| sessions.get(&adapter) == Some(&it.login())) {
                home.hear(news, &mut self.place);
            }
        }
        Ok(true)
    }

    fn show(&mut self) {
        let now = self.place.clock.now();
        self.hurry(now);
        let phases = || self.homes.iter().map(|(&adapter, it)| (adapter, it.phase()));
        let changed = !phases().eq(self.shown.iter().map(|(&adapter, &phase)| (adapter, phase)));
        if !changed && now < self.refresh_at {
            return;
        }
        self.shown = phases().collect();
        self.refresh_at = now + REFRESH;
        let facts = self.homes.iter().map(|(&adapter, it)| (adapter, it.facts(&mut self.place)));
        self.board.show_facts(facts.collect());
        let admitted = self.homes.iter().filter_map(|(&adapter, it)| Some((adapter, it.admission()?)));
        self.board.show_admitted(admitted);
    }

    /// Asks for a quorum round when something new waits for one, and again when none comes.
    fn hurry(&mut self, now: Nanos) {
        let asked = self.homes.values().filter_map(Home::asked_at).max();
        let waits = asked.or((self.right() == Right::Wait).then_some(0));
        let (at, newest) = self.hurried;
        if waits.is_some_and(|it| it > newest || now >= at + HURRY_EVERY) {
            self.hurried = (now, newest.max(asked.unwrap_or_default()));
            self.board.hurry();
        }
    }
}
