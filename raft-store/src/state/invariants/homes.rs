//! Who is on no server has no home. A home and its successors can carry the adapter, and are different directors.

use std::collections::BTreeSet;

use twinrail_proto::domain::{Adapter, AdapterKind, Epoch, Name, Profile};

use crate::state::State;
use crate::state::operations::unfitness;

pub(super) fn check(state: &State) -> Vec<String> {
    let profiles = state.profiles().values().map(|versioned| &versioned.value);
    profiles.flat_map(|profile| profile.adapters().flat_map(|adapter| check_adapter(state, profile, adapter))).collect()
}

fn check_adapter(state: &State, profile: &Profile, adapter: Adapter<'_>) -> Vec<String> {
    let label = format!("adapter {} ({} of {})", adapter.id, adapter.name, profile.name);
    let home = adapter.home;
    let mut problems = Vec::new();
    if home.director.is_some() && profile.binding.is_none() {
        problems.push(format!("{label} has a home and no server"));
    }
    if home.director.is_none() && !home.successors.is_empty() {
        problems.push(format!("{label} has successors and no home"));
    }
    if home.epoch == Epoch::default() && profile.binding.is_some() && home.director.is_some() {
        problems.push(format!("{label} has a home and was never given one"));
    }
    let listed: Vec<&Name> = home.director.iter().chain(&home.successors).collect();
    if listed.iter().collect::<BTreeSet<_>>().len() != listed.len() {
        problems.push(format!("{label} lists a director twice"));
    }
    let unfit = listed.into_iter().filter(|director| !fits(state, &adapter, director));
    problems.extend(unfit.map(|director| format!("{label} cannot be carried by {director}")));
    problems
}

fn fits(state: &State, adapter: &Adapter<'_>, director: &Name) -> bool {
    let has_uplink = match adapter.kind {
        AdapterKind::Vnic => state.lans().get(adapter.cloud).is_some_and(|it| it.value.uplinks.contains_key(director)),
        AdapterKind::Vhba => state.sans().get(adapter.cloud).is_some_and(|it| it.value.uplinks.contains_key(director)),
    };
    state.directors().get(director).is_some_and(|it| unfitness(&it.value, adapter, has_uplink).is_none())
}
