//! An adapter's epoch only grows, as the revisions of the state grow, on every director.

use std::collections::BTreeMap;

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;
use crate::nemesis::observation::Sighting;

pub struct Epochs;

impl Invariant for Epochs {
    fn name(&self) -> &'static str {
        "epochs-grow"
    }

    fn means(&self) -> &'static str {
        "no adapter's epoch ever goes back, and a new home always has a new epoch"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut by_adapter: BTreeMap<&str, Vec<&Sighting>> = BTreeMap::new();
        for it in &seen.observed.sightings {
            by_adapter.entry(&it.adapter).or_default().push(it);
        }
        let (mut changes, mut violations) = (0, Vec::new());
        for sightings in by_adapter.values_mut() {
            sightings.sort_by_key(|it| (it.revision, it.epoch));
            for (before, after) in sightings.iter().zip(sightings.iter().skip(1)) {
                changes += usize::from(before.epoch != after.epoch);
                violations.extend(wrong(before, after));
            }
        }
        Finding::new(format!("{changes} changes of epochs"), changes > 0, violations)
    }
}

fn wrong(before: &Sighting, after: &Sighting) -> Option<Violation> {
    let Sighting { adapter, revision, home, epoch, .. } = after;
    if *epoch < before.epoch {
        let what = format!("{adapter} went from epoch {} back to {epoch} at revision {revision}", before.epoch);
        return Some(Violation::at(after.at, what));
    }
    let moved = *epoch == before.epoch && *home != before.home && !home.is_empty() && !before.home.is_empty();
    let what = format!("{adapter} moved from {} to {home} within epoch {epoch}", before.home);
    moved.then(|| Violation::at(after.at, what))
}
