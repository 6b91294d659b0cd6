//! How the cluster is, from what the answering director sees and what is replicated.

use twinrail_proto::domain::{Rail, ResourceKind, Revision, UplinkState};
use twinrail_proto::grpc::convert::{duration, reference, resource_name, write_admin_state, write_director_role};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::State;

use crate::director::{ClusterStatus, DirectorStatus, PathStatus, UplinkStatus};

pub fn write_cluster(status: &ClusterStatus, state: &State, with_state_hash: bool) -> v1::Cluster {
    let ClusterStatus { answered_by, leader, term, applied, directors, paths } = status;
    let own = resource_name(ResourceKind::Director, answered_by);
    let (bound, homeless) = count_adapters(state);
    let Revision(state_revision) = state.revision();
    v1::Cluster {
        name: state.cluster().map(ToString::to_string).unwrap_or_default(),
        leader: reference(ResourceKind::Director, leader.as_ref()),
        term: *term,
        revision: applied.0,
        state_hash: if with_state_hash { format!("{:016x}", state.hash()) } else { String::new() },
        state_revision: if with_state_hash { state_revision } else { 0 },
        directors: directors
            .iter()
            .map(|director| {
                let is_leader = leader.as_ref() == Some(&director.name);
                write_director(director, is_leader, state, paths, &own)
            })
            .collect(),
        bound_adapters: bound,
        adapters_without_home: homeless,
        answered_by: own,
    }
}

/// How many adapters are bound to servers, and how many of them nobody carries.
fn count_adapters(state: &State) -> (u32, u32) {
    let bound = state.profiles().values().filter(|found| found.value.binding.is_some());
    let adapters = bound.flat_map(|found| found.value.adapters());
    adapters.fold((0, 0), |(all, homeless), adapter| (all + 1, homeless + u32::from(adapter.home.director.is_none())))
}

fn write_director(
    director: &DirectorStatus,
    leader: bool,
    state: &State,
    paths: &[PathStatus],
    own: &str,
) -> v1::DirectorStatus {
    let DirectorStatus { name, alive, lease_left, adapters, voter, uplinks } = director;
    let resource = resource_name(ResourceKind::Director, name);
    let known = state.directors().get(name).map(|found| &found.value);
    v1::DirectorStatus {
        role: known.map_or(0, |it| write_director_role(it.role).into()),
        admin_state: known.map_or(0, |it| write_admin_state(it.admin_state).into()),
        alive: *alive,
        voter: *voter,
        leader,
        lease_remaining: lease_left.map(duration),
        adapters: u32::try_from(*adapters).unwrap_or(u32::MAX),
        paths: paths.iter().filter(|path| path.peer == resource).map(|path| write_path(own, path)).collect(),
        uplinks: uplinks.iter().map(write_uplink).collect(),
        director: resource,
    }
}

fn write_uplink(uplink: &UplinkStatus) -> v1::Uplink {
    let UplinkStatus { lan, port, state } = uplink;
    let state = match state {
        None => v1::UplinkState::Unspecified,
        Some(UplinkState::Up) => v1::UplinkState::Up,
        Some(UplinkState::Settling) => v1::UplinkState::Settling,
        Some(UplinkState::NoCarrier) => v1::UplinkState::NoCarrier,
        Some(UplinkState::Down) => v1::UplinkState::Down,
        Some(UplinkState::Missing) => v1::UplinkState::Missing,
    };
    v1::Uplink { lan: resource_name(ResourceKind::Lan, lan), port: port.clone(), state: state.into() }
}

pub fn write_path(own: &str, path: &PathStatus) -> v1::Path {
    let PathStatus { peer, rail, up, since, round_trip } = path;
    let rail = match rail {
        Rail::A => v1::Rail::A,
        Rail::B => v1::Rail::B,
    };
    v1::Path {
        director: own.to_owned(),
        peer: peer.clone(),
        rail: rail.into(),
        up: *up,
        unchanged_for: Some(duration(*since)),
        round_trip: round_trip.map(duration),
    }
}
