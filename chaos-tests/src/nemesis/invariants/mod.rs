//! What must hold whatever is done to the cluster, one rule a file, each judged by what was really observed. Pure.

mod acknowledged_blocks;
mod acknowledged_writes;
mod connections;
mod converged;
mod epochs;
mod failed_disk_stops;
mod failover_time;
mod isolation;
mod linearizable;
mod old_epochs;
mod one_home;
mod one_leader;
mod one_lease;
mod serves_again;
mod unique;

use std::fmt;

use anyhow::{Context, Result};

pub use self::failover_time::{FAILOVER_WITHIN, PLANNED_WITHIN};
use super::evidence::Evidence;
use super::words::suggestion;
use crate::measure::clock::Nanos;

pub trait Invariant: Sync {
    fn name(&self) -> &'static str;

    /// In one sentence, for people who read the report.
    fn means(&self) -> &'static str;

    fn judge(&self, seen: &Evidence) -> Finding;
}

impl fmt::Debug for dyn Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one invariant found.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// How much was looked at, in words; and whether that is enough to say anything.
    pub looked_at: String,
    pub says_something: bool,
    pub violations: Vec<Violation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, where that is known.
    pub at: Option<Nanos>,
    pub what: String,
}

impl Violation {
    pub fn at(at: Nanos, what: impl Into<String>) -> Self {
        Self { at: Some(at), what: what.into() }
    }

    pub fn sometime(what: impl Into<String>) -> Self {
        Self { at: None, what: what.into() }
    }
}

impl Finding {
    fn new(looked_at: impl Into<String>, says_something: bool, violations: Vec<Violation>) -> Self {
        Self { looked_at: looked_at.into(), says_something, violations }
    }

    pub fn verdict(&self) -> Verdict {
        match (self.violations.is_empty(), self.says_something) {
            (false, _) => Verdict::Broken,
            (true, true) => Verdict::Held,
            (true, false) => Verdict::NotSeen,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Held,
    Broken,
    /// Too little was observed to say anything.
    NotSeen,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Broken => "BROKEN",
            Self::NotSeen => "not seen",
        })
    }
}

/// One of the invariants that there are.
pub type InvariantRef = &'static dyn Invariant;

pub const ALL: [InvariantRef; 15] = [
    &unique::Unique,
    &one_home::OneHome,
    &epochs::Epochs,
    &old_epochs::OldEpochs,
    &acknowledged_writes::AcknowledgedWrites,
    &linearizable::Linearizable,
    &acknowledged_blocks::AcknowledgedBlocks,
    &isolation::Isolation,
    &one_leader::OneLeader,
    &one_lease::OneLease,
    &failover_time::FailoverTime,
    &serves_again::ServesAgain,
    &connections::Connections,
    &converged::Converged,
    &failed_disk_stops::FailedDiskStops,
];

/// The invariant of that name, or an error that says which there are.
pub fn named(name: &str) -> Result<InvariantRef> {
    let found = ALL.into_iter().find(|it| it.name() == name);
    found.with_context(|| format!("there is no invariant '{name}'{}", suggestion(name, ALL.iter().map(|it| it.name()))))
}
