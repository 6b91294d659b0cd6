//! From the replicated state to what this director's datapath enforces.

use twinrail_datapath::{Carry, DirectorAdapter, DirectorTable, LanPort, Peer};
use twinrail_proto::domain::{Carriage, Name, Profile};
use twinrail_raft_store::state::State;

use super::members::Members;

/// The forwarding table of the director `own`.
pub fn director_table(state: &State, members: &Members, own: &Name) -> DirectorTable {
    let directors = members.all();
    let directors = directors.iter().filter(|(name, _)| *name != own);
    let servers = state.servers().values().filter_map(|it| Some((&it.value.name, it.value.rails?)));
    let lans = state.lans().values().filter_map(|it| Some((&it.value.name, it.value.uplinks.get(own)?)));
    DirectorTable {
        directors: directors.map(|(name, member)| Peer { name: name.clone(), rails: member.rails }).collect(),
        servers: servers.map(|(name, rails)| Peer { name: name.clone(), rails }).collect(),
        lans: lans.map(|(lan, device)| LanPort { lan: lan.clone(), device: device.clone() }).collect(),
        adapters: state.profiles().values().flat_map(|it| adapters(&it.value, own)).collect(),
    }
}

/// The vNICs of a profile that this director carries or holds frames for.
fn adapters<'a>(profile: &'a Profile, own: &'a Name) -> impl Iterator<Item = DirectorAdapter> + 'a {
    let bound = match profile.carriage() {
        Carriage::Carry(server) => Some((server, Carry::Carry)),
        Carriage::Hold(server) => Some((server, Carry::Hold)),
        Carriage::Idle => None,
    };
    bound.into_iter().flat_map(move |(server, state)| {
        profile.vnics.values().filter(move |it| it.home.director.as_ref() == Some(own)).map(move |it| DirectorAdapter {
            id: it.id,
            epoch: it.home.epoch,
            mac: it.mac,
            lan: it.lan.clone(),
            vlan: it.vlan.clone(),
            server: server.clone(),
            state,
        })
    })
}
