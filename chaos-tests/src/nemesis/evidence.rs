//! Everything that was observed in a run: what invariants are judged by, and what the report shows.

use std::collections::BTreeMap;

use twinrail_datapath::FlightRecord;

use super::clients::spoof::Spoofed;
use super::faults::Struck;
use super::history::Operation;
use super::observation::Observed;
use super::schedule::Step;
use crate::consistency::load::Tally;
use crate::measure::clock::Nanos;
use crate::measure::report::{ProbeEvent, TcpReport};

/// One step of the schedule as it was done.
#[derive(Clone, Debug)]
pub struct Round {
    /// From 1.
    pub number: usize,
    pub step: Step,
    pub struck: Struck,
    /// Just before it was inflicted (whom it hits is asked first), when that was done, when healing began, and when that was done.
    pub from: Nanos,
    pub inflicted: Nanos,
    pub healing: Nanos,
    pub healed: Nanos,
    /// When everything served again; None: it did not.
    pub served: Option<Nanos>,
    /// Directors whose disk had failed, and which still ran when healing began.
    pub still_running: Vec<String>,
    /// What was missing then.
    pub missing: String,
}

impl Round {
    /// The end of its stretch of time.
    pub fn to(&self) -> Nanos {
        self.served.unwrap_or(self.healed)
    }
}

/// What was seen over one vNIC.
#[derive(Clone, Debug)]
pub struct CardSeen {
    /// `web-1/eth0`
    pub name: String,
    pub events: Vec<ProbeEvent>,
    pub transfer: TcpReport,
}

/// A network device of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceSeen {
    pub server: String,
    pub device: String,
    pub mac: String,
}

#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// When the clients had begun, and when they were told to end.
    pub from: Nanos,
    pub to: Nanos,
    pub directors: Vec<String>,
    pub rounds: Vec<Round>,
    pub observed: Observed,
    pub history: Vec<Operation>,
    pub cards: Vec<CardSeen>,
    pub blocks: Tally,
    pub spoofed: Spoofed,
    /// At the end of each round.
    pub devices: Vec<Vec<DeviceSeen>>,
    /// By machine.
    pub flights: BTreeMap<String, Vec<FlightRecord>>,
    /// Revision and digest of every director when nobody changed anything any more.
    pub last_states: BTreeMap<String, (u64, String)>,
    /// Why the run ended before its time, if it did.
    pub broken_off: Option<String>,
}

impl Evidence {
    /// Seconds since the clients began, for people.
    pub fn seconds(&self, at: Nanos) -> f64 {
        (at as f64 - self.from as f64) / 1e9
    }

    /// The round that a moment belongs to: from its fault until the next one's.
    pub fn round_at(&self, at: Nanos) -> Option<&Round> {
        self.rounds.iter().rev().find(|it| it.from <= at)
    }
}
