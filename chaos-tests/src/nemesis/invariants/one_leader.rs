//! At most one director leads a term.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

pub struct OneLeader;

impl Invariant for OneLeader {
    fn name(&self) -> &'static str {
        "one-leader"
    }

    fn means(&self) -> &'static str {
        "at most one director says of itself that it leads a term, and terms never go back on a director"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut leaders: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for it in seen.observed.pulses.iter().filter(|it| it.leader == it.director) {
            leaders.entry(it.term).or_default().insert(&it.director);
        }
        let several = leaders.iter().filter(|it| it.1.len() > 1);
        let violations = several.map(|(term, who)| Violation::sometime(format!("term {term} was led by {who:?}")));
        let looked_at = format!("{} answers, {} terms with a leader", seen.observed.pulses.len(), leaders.len());
        Finding::new(looked_at, !leaders.is_empty(), violations.collect())
    }
}
