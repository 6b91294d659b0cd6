//! The directors' states are the same at the same revision, and in the end they are at the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

pub struct Converged;

impl Invariant for Converged {
    fn name(&self) -> &'static str {
        "converged"
    }

    fn means(&self) -> &'static str {
        "directors that are at the same revision have the same state, by its digest; at the end all are at the same"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let polled = seen.observed.pulses.iter().filter_map(|it| it.hash.as_ref());
        let mut states: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        let (mut looks, mut shared) = (0, 0);
        for (revision, hash) in polled.chain(seen.last_states.values()) {
            looks += 1;
            let known = states.entry(*revision).or_default();
            shared += usize::from(!known.is_empty());
            known.insert(hash);
        }
        let differ = states.iter().filter(|it| it.1.len() > 1);
        let differ = differ.map(|(revision, _)| Violation::sometime(format!("states differ at revision {revision}")));
        let ends: BTreeSet<_> = seen.last_states.values().collect();
        let apart = (ends.len() > 1).then(|| Violation::sometime(format!("at the end: {:?}", seen.last_states)));
        let violations: Vec<Violation> = differ.chain(apart).collect();
        let looked_at = format!(
            "{looks} digests, {shared} of a revision that was seen before; {} at the end",
            seen.last_states.len()
        );
        Finding::new(
            looked_at,
            seen.last_states.len() == seen.directors.len() && !seen.directors.is_empty(),
            violations,
        )
    }
}
