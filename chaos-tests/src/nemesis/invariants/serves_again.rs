//! After each fault is healed everything serves again within a bound.

use super::{Finding, Invariant, Violation};
use crate::measure::clock::milliseconds;
use crate::nemesis::evidence::Evidence;

pub struct ServesAgain;

impl Invariant for ServesAgain {
    fn name(&self) -> &'static str {
        "serves-again"
    }

    fn means(&self) -> &'static str {
        "within 20 s after a fault is healed all directors vote and live, every adapter has a living home, every network card and the \
         disk answer, and every director acknowledges a new change"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let missing = seen.rounds.iter().filter(|it| it.served.is_none() && !it.missing.is_empty());
        let violations = missing.map(|it| {
            let (number, fault, whom) = (it.number, it.step.fault.name(), &it.struck.whom);
            Violation::at(it.healed, format!("round {number}, {fault} ({whom}): {}", it.missing))
        });
        let longest = seen.rounds.iter().filter_map(|it| Some(it.served? - it.healed)).max().unwrap_or(0);
        let looked_at = format!("{} times, the longest took {} ms", seen.rounds.len(), milliseconds(longest));
        Finding::new(looked_at, seen.rounds.iter().any(|it| it.served.is_some()), violations.collect())
    }
}
