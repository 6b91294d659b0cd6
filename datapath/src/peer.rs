//! The other machines, and the paths to them as all threads see them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use twinrail_proto::domain::{Name, Rail, RailAddresses};

use crate::Cause;
use crate::error::Problem;
use crate::fast_map::FastMap;
use crate::rail::Nanos;

/// A machine that hellos are exchanged with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    Director(Name),
    Server(Name),
}

/// Where a machine is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub name: Name,
    pub rails: RailAddresses,
}

/// A path at one moment. Times are of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathState {
    pub peer: Machine,
    pub rail: Rail,
    pub up: bool,
    /// Since when it is up or down; 0: it was never up.
    pub since_ns: Nanos,
    /// 0: nothing was ever heard.
    pub last_heard_ns: Nanos,
    pub round_trip_ns: Option<Nanos>,
}

/// One path, written by the thread that hears it.
#[derive(Debug, Default)]
pub(crate) struct PathCell {
    up: AtomicBool,
    since: AtomicU64,
    last_heard: AtomicU64,
    /// 0: not known.
    round_trip: AtomicU64,
    /// The largest datagram that both ends take whole.
    limit: AtomicU32,
}

#[derive(Debug)]
pub(crate) struct PeerEntry {
    pub machine: Machine,
    pub addresses: RailAddresses,
    pub paths: [PathCell; 2],
}

/// The peers of one table. Those that stay keep their paths.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    entries: Vec<Arc<PeerEntry>>,
    by_address: [FastMap<IpAddr, u32>; 2],
    by_machine: BTreeMap<Machine, u32>,
}

impl Machine {
    pub fn name(&self) -> &Name {
        match self {
            Self::Director(name) | Self::Server(name) => name,
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Director(name) => write!(f, "director {name}"),
            Self::Server(name) => write!(f, "server {name}"),
        }
    }
}

impl PathCell {
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub fn set_up(&self, up: bool, now: Nanos) {
        self.up.store(up, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
    }

    pub fn note(&self, last_heard: Nanos, round_trip: Option<Nanos>) {
        self.last_heard.store(last_heard, Ordering::Relaxed);
        self.round_trip.store(round_trip.unwrap_or(0), Ordering::Relaxed);
    }
}

impl PeerEntry {
    /// The rail for a flow: spread over those that are up.
    pub fn rail_for(&self, flow: u32) -> Result<Rail, Cause> {
        match (self.paths[0].is_up(), self.paths[1].is_up()) {
            (true, true) => Ok(Rail::ALL[(flow & 1) as usize]),
            (true, false) => Ok(Rail::A),
            (false, true) => Ok(Rail::B),
            (false, false) => Err(Cause::PathDown),
        }
    }

    pub fn is_reachable(&self) -> bool {
        self.paths.iter().any(PathCell::is_up)
    }

    fn states(&self) -> impl Iterator<Item = PathState> + '_ {
        Rail::ALL.into_iter().map(|rail| {
            let cell = &self.paths[rail.index()];
            PathState {
                peer: self.machine.clone(),
                rail,
                up: cell.is_up(),
                since_ns: cell.since.load(Ordering::Relaxed),
                last_heard_ns: cell.last_heard.load(Ordering::Relaxed),
                round_trip_ns: Some(cell.round_trip.load(Ordering::Relaxed)).filter(|&it| it > 0),
            }
        })
    }
}

impl PeerTable {
    pub fn build(
        machines: impl Iterator<Item = (Machine, RailAddresses)>,
        previous: &Self,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut table = Self::default();
        for (machine, addresses) in machines {
            let kept = previous.find(&machine).filter(|it| it.addresses == addresses).cloned();
            let entry = kept.unwrap_or_else(|| Arc::new(PeerEntry { machine, addresses, paths: Default::default() }));
            table.add(entry, problems);
        }
        table
    }

    fn add(&mut self, entry: Arc<PeerEntry>, problems: &mut Vec<Problem>) {
        let at = self.entries.len() as u32;
        for rail in Rail::ALL {
            let address = entry.addresses.on(rail);
            let known = *self.by_address[rail.index()].entry(address).or_insert(at);
            if known != at {
                let first = self.entry(known).machine.name().clone();
                problems.push(Problem::SameAddress { first, second: entry.machine.name().clone(), rail, address });
            }
        }
        self.by_machine.insert(entry.machine.clone(), at);
        self.entries.push(entry);
    }

    /// Who has this address on this rail.
    pub fn at(&self, rail: Rail, address: IpAddr) -> Option<u32> {
        self.by_address[rail.index()].get(&address).copied()
    }

    pub fn index_of(&self, machine: &Machine) -> Option<u32> {
        self.by_machine.get(machine).copied()
    }

    pub fn entry(&self, index: u32) -> &Arc<PeerEntry> {
        &self.entries[index as usize]
    }

    pub fn entries(&self) -> &[Arc<PeerEntry>] {
        &self.entries
    }

    pub fn states(&self) -> Vec<PathState> {
        self.entries.iter().flat_map(|it| it.states()).collect()
    }

    fn find(&self, machine: &Machine) -> Option<&Arc<PeerEntry>> {
        self.index_of(machine).map(|it| self.entry(it))
    }
}
