//! No two directors share an id, a store or an address, no two servers an address; removed directors' ids stay unused;
//! and once there was a director that can carry, there is one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use twinrail_proto::domain::{DirectorRole, RailAddresses};

use crate::state::State;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut ids, mut stores) = (BTreeSet::new(), BTreeSet::new());
    let directors = || state.directors().values().map(|versioned| &versioned.value);
    for director in directors() {
        if !ids.insert(director.id) || state.record.retired_directors.contains(&director.id) {
            problems.push(format!("the id {} of {} is not its own", director.id, director.name));
        }
        if director.store_id.as_ref().is_some_and(|store| !stores.insert(store)) {
            problems.push(format!("the store of {} is not its own", director.name));
        }
    }
    let only_witnesses = directors().all(|director| director.role == DirectorRole::Witness);
    if only_witnesses && !state.record.retired_directors.is_empty() {
        problems.push("no director is left that can carry".to_owned());
    }
    problems.extend(shared(directors().map(|director| director.rails)));
    problems.extend(shared(state.servers().values().filter_map(|server| server.value.rails)));
    problems
}

fn shared(machines: impl Iterator<Item = RailAddresses>) -> Vec<String> {
    let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
    let addresses = machines.flat_map(|rails| [rails.a, rails.b]);
    addresses.filter(|address| !seen.insert(*address)).map(|address| format!("{address} is used twice")).collect()
}
