//! No two adapters ever have the same MAC or WWPN, and none ever gets another one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

pub struct Unique;

impl Invariant for Unique {
    fn name(&self) -> &'static str {
        "unique-identity"
    }

    fn means(&self) -> &'static str {
        "no two adapters have the same MAC or WWPN, none ever changes, and no two servers show a device with the same MAC"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut identities: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for it in &seen.observed.sightings {
            owners.entry(&it.identity).or_default().insert(&it.adapter);
            identities.entry(&it.adapter).or_default().insert(&it.identity);
        }
        let shared = owners.iter().filter(|it| it.1.len() > 1);
        let shared = shared.map(|(identity, owners)| Violation::sometime(format!("{identity} is that of {owners:?}")));
        let changed = identities.iter().filter(|it| it.1.len() > 1);
        let changed = changed.map(|(adapter, all)| Violation::sometime(format!("{adapter} was {all:?}")));
        let doubled = seen.devices.iter().flat_map(|devices| doubles(devices));
        let violations: Vec<Violation> = shared.chain(changed).chain(doubled).collect();
        let looked_at = format!("{} adapters; {} looks at all servers", identities.len(), seen.devices.len());
        Finding::new(looked_at, !identities.is_empty(), violations)
    }
}

fn doubles(devices: &[crate::nemesis::evidence::DeviceSeen]) -> Vec<Violation> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for it in devices {
        places.entry(&it.mac).or_default().push(format!("{}'s {}", it.server, it.device));
    }
    let doubled = places.into_iter().filter(|it| it.1.len() > 1);
    doubled.map(|(mac, places)| Violation::sometime(format!("{mac} is the MAC of {}", places.join(" and ")))).collect()
}
