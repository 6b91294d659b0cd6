//! A director whose disk has failed stops by itself: nobody knows what that disk holds, so nothing may be answered from it.

use std::time::Duration;

use super::{Finding, Invariant, Violation};
use crate::measure::clock::nanos;
use crate::nemesis::evidence::{Evidence, Round};

/// Changes come all the time, so that every director writes many times in so long.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

pub struct FailedDiskStops;

impl Invariant for FailedDiskStops {
    fn name(&self) -> &'static str {
        "failed-disk-stops"
    }

    fn means(&self) -> &'static str {
        "a director whose disk could not make something durable stops by itself within 1 s, and starts again when its disk is well"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let failed = |it: &&Round| !it.struck.must_stop.is_empty() && it.healing - it.inflicted > nanos(STOPS_WITHIN);
        let rounds: Vec<&Round> = seen.rounds.iter().filter(failed).collect();
        let running = rounds.iter().filter(|it| !it.still_running.is_empty());
        let violations = running.map(|it| {
            let (number, fault, who) = (it.number, it.step.fault.name(), it.still_running.join(", "));
            Violation::at(it.healing, format!("round {number}, {fault}: {who} still ran"))
        });
        Finding::new(format!("{} failed disks", rounds.len()), !rounds.is_empty(), violations.collect())
    }
}
