//! The openraft type configuration: what a log entry is, who takes part, what applying an entry answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use openraft::Config;
use openraft::network::{NetSnapshot, RaftNetworkFactory};
use openraft::type_config::alias;
use serde::{Deserialize, Serialize};
use twinrail_proto::domain::Rail;

use crate::proposal::Proposal;
use crate::state::Outcome;
use crate::store::{LogStore, StateMachine};

openraft::declare_raft_types!(
    /// Directors are numbered by `DirectorId`, log entries carry a [`Proposal`], and applying one answers an [`Outcome`]:
    /// a rejection is an answer like any other. Entries of Raft's own answer an empty `Applied` with their index.
    pub TypeConfig:
        D = Proposal,
        R = Outcome,
        NodeId = u64,
        Node = Peer,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

pub type Entry = alias::EntryOf<TypeConfig>;
pub type LogId = alias::LogIdOf<TypeConfig>;
pub type Vote = alias::VoteOf<TypeConfig>;
pub type LogState = openraft::storage::LogState<TypeConfig>;
pub type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub type Snapshot = alias::SnapshotOf<TypeConfig, Vec<u8>>;
/// The running Raft of a director.
pub type Raft = openraft::Raft<TypeConfig, crate::store::StateMachine>;

/// Starts Raft, with what this store needs to be safe switched on, whatever else is configured: there is no other way in.
pub async fn start<N>(
    id: u64,
    config: Config,
    network: N,
    log: LogStore,
    machine: StateMachine,
) -> Result<Raft, StartError>
where
    N: RaftNetworkFactory<TypeConfig>,
    N::Network: NetSnapshot<TypeConfig, SnapshotData = Vec<u8>>,
{
    let config = Arc::new(safe(config).validate()?);
    Raft::new(id, config, network, log, machine).await.map_err(StartError::Fatal)
}

/// * *A restarted leader must be elected anew.* openraft lets it lead on in its old term by default. But a leader commits
///   what both others have on disk while its own disk is still busy: after a power cut its log may end before what it
///   acknowledged, and leading on it would write other entries with the same log ids.
/// * *Pre-vote*: a director that was cut off does not depose the leader when it comes back.
/// * *A follower's log never goes back.* If it does, its store has lost something.
fn safe(config: Config) -> Config {
    Config {
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        allow_log_reversion: Some(false),
        ..config
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("Raft's settings: {0}")]
    Config(#[from] openraft::ConfigError),
    #[error("Raft cannot start: {0}")]
    Fatal(openraft::errors::Fatal<TypeConfig>),
}

/// Where a director's Raft service is reached: one address on each rail. A rail that is not there is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub addresses: BTreeMap<Rail, SocketAddr>,
}

impl Peer {
    pub fn on(&self, rail: Rail) -> Option<SocketAddr> {
        self.addresses.get(&rail).copied()
    }
}
