//! What a director sees of its cluster at this moment: never replicated, never older than the call.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use twinrail_datapath::Machine;
use twinrail_failover::{Moment, Standing};
use twinrail_proto::domain::{Name, Rail, Revision, UplinkState};

use super::core::Core;
use crate::clock;

/// The cluster as the answering director sees it.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The director that says this.
    pub answered_by: Name,
    pub leader: Option<Name>,
    pub term: u64,
    pub applied: Revision,
    pub directors: Vec<DirectorStatus>,
    pub paths: Vec<PathStatus>,
}

#[derive(Clone, Debug)]
pub struct DirectorStatus {
    pub name: Name,
    /// At least one path to it is up; the answering director always lives.
    pub alive: bool,
    /// Only of the answering director: how long its lease still runs.
    pub lease_left: Option<Duration>,
    /// How many adapters have it as their home.
    pub adapters: usize,
    /// It has a vote in the Raft group now.
    pub voter: bool,
    /// In the order of the LANs' names.
    pub uplinks: Vec<UplinkStatus>,
}

/// A director's port on a LAN.
#[derive(Clone, Debug)]
pub struct UplinkStatus {
    pub lan: Name,
    pub port: String,
    /// None: the director does not live.
    pub state: Option<UplinkState>,
}

/// One path from the answering director to another machine.
#[derive(Clone, Debug)]
pub struct PathStatus {
    /// `directors/d2` or `servers/s1`.
    pub peer: String,
    pub rail: Rail,
    pub up: bool,
    /// How long it has been so; zero for one that was never up.
    pub since: Duration,
    pub round_trip: Option<Duration>,
}

impl Core {
    pub fn status(&self) -> ClusterStatus {
        ClusterStatus {
            answered_by: self.own.clone(),
            leader: self.leader(),
            term: self.term(),
            applied: *self.state.applied().borrow(),
            directors: self.director_statuses(),
            paths: self.path_statuses(),
        }
    }

    fn director_statuses(&self) -> Vec<DirectorStatus> {
        let voters: Vec<u64> = {
            let metrics = self.raft.server_metrics();
            metrics.borrow_watched().membership_config.membership().voter_ids().collect()
        };
        let state = self.state.read();
        let homes = |name: &Name| {
            let adapters = state.profiles().values().flat_map(|it| it.value.adapters());
            adapters.filter(|it| it.home.director.as_ref() == Some(name)).count()
        };
        let troubles = self.uplinks.all();
        let alive = |name: &Name| *name == self.own || self.liveness.standing(name) != Standing::Lost;
        let uplinks = |director: &Name| {
            let ports = state.lans().values().filter_map(|it| Some((&it.value.name, it.value.uplinks.get(director)?)));
            let trouble = |lan: &Name| troubles.get(director).and_then(|it| it.get(lan)).map(|it| it.state);
            ports
                .map(|(lan, port)| UplinkStatus {
                    lan: lan.clone(),
                    port: port.clone(),
                    state: alive(director).then(|| trouble(lan).unwrap_or(UplinkState::Up)),
                })
                .collect()
        };
        let directors = state.directors().values().map(|it| &it.value);
        directors
            .map(|it| DirectorStatus {
                name: it.name.clone(),
                alive: alive(&it.name),
                lease_left: if it.name == self.own { self.leases.own_lease_left() } else { None },
                adapters: homes(&it.name),
                voter: voters.contains(&it.id.0),
                uplinks: uplinks(&it.name),
            })
            .collect()
    }

    fn path_statuses(&self) -> Vec<PathStatus> {
        let now = clock::now();
        let board = self.links.paths().borrow().clone();
        let paths = board.iter().map(|it| PathStatus {
            peer: match &it.peer {
                Machine::Director(name) => format!("directors/{name}"),
                Machine::Server(name) => format!("servers/{name}"),
            },
            rail: it.rail,
            up: it.up,
            since: if it.since_ns == 0 { Duration::ZERO } else { now.since(Moment::from_nanos(it.since_ns)) },
            round_trip: it.round_trip_ns.map(Duration::from_nanos),
        });
        paths.collect()
    }
}
