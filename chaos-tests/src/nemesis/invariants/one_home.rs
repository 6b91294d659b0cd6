//! An adapter has one home at each epoch: whoever tells it, and whoever sends its frames.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_datapath::Recorded;

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

pub struct OneHome;

impl Invariant for OneHome {
    fn name(&self) -> &'static str {
        "one-home"
    }

    fn means(&self) -> &'static str {
        "each adapter has exactly one home at each epoch: all directors name the same, and only that one sends its frames to the LAN"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut told: BTreeMap<(&str, u64), BTreeSet<&str>> = BTreeMap::new();
        for it in seen.observed.sightings.iter().filter(|it| !it.home.is_empty()) {
            told.entry((&it.adapter, it.epoch)).or_default().insert(&it.home);
        }
        let several = told.iter().filter(|it| it.1.len() > 1);
        let several = several.map(|((adapter, epoch), homes)| {
            Violation::sometime(format!("{adapter} at epoch {epoch} has the homes {homes:?}"))
        });
        let mut senders: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
        for (machine, records) in &seen.flights {
            for it in records.iter().filter(|it| it.what != Recorded::ToDevice) {
                senders.entry((it.adapter, it.epoch)).or_default().insert(machine);
            }
        }
        let both = senders.iter().filter(|it| it.1.len() > 1);
        let both = both.map(|((adapter, epoch), machines)| {
            Violation::sometime(format!("{machines:?} sent frames of adapter {adapter:?} at {epoch:?}"))
        });
        let violations: Vec<Violation> = several.chain(both).collect();
        let looked_at = format!("{} homes told, {} with frames on the LAN", told.len(), senders.len());
        Finding::new(looked_at, !told.is_empty() && !senders.is_empty(), violations)
    }
}
