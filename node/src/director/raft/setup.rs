use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use openraft::errors::{InitializeError, RaftError};
use openraft::{Config, SnapshotPolicy};
use twinrail_proto::domain::Rail;
use twinrail_raft_store::raft::{self, Peer, Raft};
use twinrail_raft_store::store::{LogStore, StateMachine};

use super::client::Network;
use crate::config::{DirectorConfig, INTERNAL_PORT, InitialDirector};

/// Raft's own timers are the second line: the hellos of the rails notice a dead leader in tens of milliseconds, and
/// start an election then. These are long enough that a disk that stalls does not start one.
const HEARTBEAT_MS: u64 = 50;
const ELECTION_MIN_MS: u64 = 300;
const ELECTION_MAX_MS: u64 = 500;
/// A snapshot after so many commands (a restart applies at most these again: about a second), and so many kept behind it for
/// followers that were away for a moment.
const SNAPSHOT_EVERY: u64 = 50_000;
const KEEP_BEHIND_SNAPSHOT: u64 = 5_000;

#[derive(Debug, thiserror::Error)]
pub enum RaftSetupError {
    #[error(transparent)]
    Start(#[from] raft::StartError),
    #[error("the founding members cannot be written: {0}")]
    Found(String),
}

pub async fn start(
    config: &DirectorConfig,
    id: u64,
    network: Network,
    log: LogStore,
    machine: StateMachine,
) -> Result<Raft, RaftSetupError> {
    let settings = Config {
        cluster_name: config.cluster.clone(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        max_in_snapshot_log_to_keep: KEEP_BEHIND_SNAPSHOT,
        replication_lag_threshold: SNAPSHOT_EVERY + KEEP_BEHIND_SNAPSHOT,
        ..Config::default()
    };
    Ok(raft::start(id, settings, network, log, machine).await?)
}

/// How long a founder lets those before it in the list begin: who writes the members down stands for election at once,
/// and several at a time would only split the votes.
const FOUNDER_STAGGER: Duration = Duration::from_secs(1);

/// Writes the founding members, the same on each of them, where that was not done yet, by the first of them that runs.
pub async fn found(raft: &Raft, config: &DirectorConfig) -> Result<(), RaftSetupError> {
    let rank = config.directors.iter().position(|it| it.name == config.name).unwrap_or_default();
    for _ in 0..rank {
        if raft.is_initialized().await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(FOUNDER_STAGGER).await;
    }
    let members: BTreeMap<u64, Peer> = config.directors.iter().map(|it| (it.id, peer(it))).collect();
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(RaftSetupError::Found(error.to_string())),
    }
}

fn peer(director: &InitialDirector) -> Peer {
    let on = |rail, address| (rail, SocketAddr::new(address, INTERNAL_PORT));
    Peer { addresses: [on(Rail::A, director.rail_a), on(Rail::B, director.rail_b)].into() }
}
