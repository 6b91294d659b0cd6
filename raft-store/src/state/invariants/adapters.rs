//! Adapter ids are unique and were all given; an adapter's name is its key.

use std::collections::BTreeSet;

use crate::state::State;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for profile in state.profiles().values().map(|versioned| &versioned.value) {
        for adapter in profile.adapters() {
            if !seen.insert(adapter.id) {
                problems.push(format!("the id {} is given twice, once in {}", adapter.id, profile.name));
            }
            if adapter.id > state.record.last_adapter || adapter.id.0 == 0 {
                problems.push(format!("the id {} of {} was never given", adapter.id, profile.name));
            }
        }
        let vnics = profile.vnics.iter().all(|(name, vnic)| *name == vnic.name);
        let vhbas = profile.vhbas.iter().all(|(name, vhba)| *name == vhba.name);
        if !vnics || !vhbas {
            problems.push(format!("an adapter of {} is not under its name", profile.name));
        }
    }
    problems
}
