//! What goes wrong, one kind a file. A fault is inflicted, lasts for a while, and is healed; what it may do to clients meanwhile it
//! says itself.
//!
//! ```text
//!   rest ──▶ inflict ──▶ hold ──▶ heal ──▶ everything serves again within a bound ──▶ quiet
//! ```

mod cable_cut;
mod clock_jump;
mod cut_off;
mod disk_full;
mod drain;
mod drain_and_loss;
mod fsync_error;
mod kill;
mod membership;
mod moves;
mod old_version;
mod one_way_cut;
mod partition;
mod path_cut;
mod pause;
mod power_cut;
mod power_cut_all;
mod rail_cut;
mod rails_cut;
mod restart;
mod swizzle;
mod transfer;
mod uplink_cut;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::schedule::Step;
use super::words::suggestion;
use super::world::World;

/// What clients may see of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// An operator's plan, or a part that there are two of: hardly to be seen.
    Planned,
    /// A home is lost: until another one carries.
    Failover,
    /// There is no quorum: until the fault is healed, and the cluster is together again.
    Outage,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Struck {
    /// For people: `d2, the leader`.
    pub whom: String,
    /// Directors that are down, or cannot be relied upon to answer.
    pub away: Vec<String>,
    /// Directors that run and are cut off from a quorum: they must lose their leases.
    pub cut_off: Vec<String>,
    /// Directors whose disk has failed: they must stop by themselves.
    pub must_stop: Vec<String>,
    pub interruption: Interruption,
}

/// What a machine or a run has, which some faults need.
#[derive(Clone, Debug, Default)]
pub struct Means {
    pub old_program: Option<PathBuf>,
}

pub trait Fault: Sync {
    fn name(&self) -> &'static str;

    /// In one sentence, for people who read the report.
    fn means(&self) -> &'static str;

    /// What it needs and is not there.
    fn lacks(&self, _means: &Means) -> Option<&'static str> {
        None
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck>;

    fn heal(&self, world: &mut World, step: &Step, struck: &Struck) -> Result<()>;
}

/// One of the faults that there are, by its name.
#[derive(Clone, Copy)]
pub struct FaultRef(&'static dyn Fault);

impl std::ops::Deref for FaultRef {
    type Target = dyn Fault;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for FaultRef {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for FaultRef {}

impl fmt::Debug for FaultRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const ALL: [FaultRef; 25] = [
    FaultRef(&kill::Kill),
    FaultRef(&power_cut::PowerCut),
    FaultRef(&power_cut_all::PowerCutAll),
    FaultRef(&pause::Pause),
    FaultRef(&restart::Restart),
    FaultRef(&swizzle::Swizzle),
    FaultRef(&rail_cut::RailCut),
    FaultRef(&cable_cut::CableCut),
    FaultRef(&rails_cut::RailsCut),
    FaultRef(&cut_off::CutOff),
    FaultRef(&uplink_cut::UplinkCut),
    FaultRef(&path_cut::PathCut),
    FaultRef(&one_way_cut::OneWayCut),
    FaultRef(&partition::MINORITY),
    FaultRef(&partition::RING),
    FaultRef(&partition::BRIDGE),
    FaultRef(&clock_jump::ClockJump),
    FaultRef(&disk_full::DiskFull),
    FaultRef(&fsync_error::FsyncError),
    FaultRef(&drain::Drain),
    FaultRef(&drain_and_loss::DrainAndLoss),
    FaultRef(&moves::Moves),
    FaultRef(&transfer::Transfer),
    FaultRef(&membership::Membership),
    FaultRef(&old_version::OldVersion),
];

pub fn all() -> Vec<FaultRef> {
    ALL.to_vec()
}

/// The fault of that name, or an error that says which there are.
pub fn named(name: &str) -> Result<FaultRef> {
    let found = ALL.into_iter().find(|it| it.name() == name);
    found.with_context(|| format!("there is no fault '{name}'{}", suggestion(name, ALL.iter().map(|it| it.name()))))
}

impl Struck {
    /// A director that is down, or hangs: its adapters go elsewhere.
    fn lost(director: &str) -> Self {
        let (whom, away) = (director.to_owned(), vec![director.to_owned()]);
        Self { whom, away, cut_off: Vec::new(), must_stop: Vec::new(), interruption: Interruption::Failover }
    }

    /// One whose disk has failed.
    fn disk_failed(director: &str) -> Self {
        Self { must_stop: vec![director.to_owned()], ..Self::lost(director) }
    }

    /// One that runs without a quorum.
    fn cut_off(director: &str) -> Self {
        Self { cut_off: vec![director.to_owned()], ..Self::lost(director) }
    }

    /// Nobody is away.
    fn seen(whom: impl Into<String>, interruption: Interruption) -> Self {
        Self { whom: whom.into(), away: Vec::new(), cut_off: Vec::new(), must_stop: Vec::new(), interruption }
    }
}
