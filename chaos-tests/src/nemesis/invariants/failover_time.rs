//! Clients wait no longer than was promised for what was done.

use std::time::Duration;

use super::{Finding, Invariant, Violation};
use crate::measure::clock::{Nanos, milliseconds, nanos};
use crate::nemesis::evidence::{Evidence, Round};
use crate::nemesis::faults::Interruption;
use crate::nemesis::gaps;

/// A plan, or one of two rails. The product promises 50 ms on a machine that does nothing else; here all its machines, clients and
/// observers share a few cores.
pub const PLANNED_WITHIN: Duration = Duration::from_millis(250);
/// A home is lost. The product promises 500 ms, as above.
pub const FAILOVER_WITHIN: Duration = Duration::from_millis(1_000);
/// There was no quorum: this long after the directors are together again.
pub const TOGETHER_WITHIN: Duration = Duration::from_secs(10);

pub struct FailoverTime;

impl Invariant for FailoverTime {
    fn name(&self) -> &'static str {
        "failover-time"
    }

    fn means(&self) -> &'static str {
        "no network card is away longer than 250 ms for what is planned or has a second rail, 1 s for the loss of a home, and 10 s \
         after a lost quorum is back; without the time in which the prober itself was not given a core"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut violations = Vec::new();
        for card in &seen.cards {
            let gaps = gaps::of_prober(&card.events);
            for round in &seen.rounds {
                let allowed = allowed(round);
                let longest = gaps::longest(&gaps, round.from, round.to());
                if longest > allowed {
                    let (took, allowed) = (milliseconds(longest), milliseconds(allowed));
                    let (number, fault, whom) = (round.number, round.step.fault.name(), &round.struck.whom);
                    let what = format!(
                        "{} was away for {took} ms of {allowed} ms: round {number}, {fault} ({whom})",
                        card.name
                    );
                    violations.push(Violation::at(round.from, what));
                }
            }
        }
        let looked_at = format!("{} network cards through {} faults", seen.cards.len(), seen.rounds.len());
        Finding::new(looked_at, !seen.cards.is_empty() && !seen.rounds.is_empty(), violations)
    }
}

fn allowed(round: &Round) -> Nanos {
    match round.struck.interruption {
        Interruption::Planned => nanos(PLANNED_WITHIN),
        Interruption::Failover => nanos(FAILOVER_WITHIN),
        Interruption::Outage => round.healed - round.from + nanos(TOGETHER_WITHIN),
    }
}
