//! Makes a schedule of faults shorter for as long as the same invariant is found not to hold.

use super::faults::Fault;
use super::run::{Options, Outcome, run};

/// Runs that are spent on one finding.
const MAX_RUNS: usize = 120;

/// The outcome with the shortest schedule that was found to give the same finding.
pub fn shrink(options: &Options, found: Outcome) -> Outcome {
    let Some(invariant) = found.finding.as_ref().map(|it| it.invariant) else { return found };
    let mut best = found;
    let mut runs = 0;
    let mut piece = best.schedule.len();
    while piece > 0 && runs < MAX_RUNS {
        let mut at = 0;
        let mut shorter = false;
        while at < best.schedule.len() && runs < MAX_RUNS {
            runs += 1;
            let outcome = attempt(options, without(&best.schedule, at, piece));
            if outcome.finding.as_ref().is_some_and(|it| it.invariant == invariant) {
                best = outcome;
                shorter = true;
            } else {
                at += piece;
            }
        }
        piece = if shorter { piece.min(best.schedule.len()) } else { piece / 2 };
    }
    best
}

fn attempt(options: &Options, schedule: Vec<Fault>) -> Outcome {
    run(&Options { schedule: Some(schedule), ..options.clone() })
}

fn without(schedule: &[Fault], at: usize, count: usize) -> Vec<Fault> {
    let end = (at + count).min(schedule.len());
    [&schedule[..at], &schedule[end..]].concat()
}
