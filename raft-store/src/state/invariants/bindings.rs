//! No server has more than it has room for, counting what is on its way to it, and no two devices of one name there.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{BindingPhase, Name};

use crate::state::State;
use crate::state::index::occupied;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut devices: BTreeSet<(&Name, &Name)> = BTreeSet::new();
    for profile in state.profiles().values().map(|versioned| &versioned.value) {
        for server in occupied(profile) {
            *used.entry(server).or_default() += profile.vnics.len() + profile.vhbas.len();
            let clash = profile.vnics.keys().find(|name| !devices.insert((server, name)));
            problems.extend(clash.map(|name| format!("{server} has two devices {name}")));
        }
        let to_itself = profile.binding.as_ref().is_some_and(
            |binding| matches!(&binding.phase, BindingPhase::Releasing { to: Some(to) } if *to == binding.server),
        );
        if to_itself {
            problems.push(format!("{} moves to the server that it is on", profile.name));
        }
    }
    for (server, used) in used {
        let room = state.servers().get(server).map_or(0, |server| server.value.max_adapters as usize);
        if used > room {
            problems.push(format!("{server} has {used} adapters and room for {room}"));
        }
    }
    problems
}
