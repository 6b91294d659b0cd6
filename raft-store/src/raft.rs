//! The openraft type configuration: what a log entry is, who takes part, what applying an entry answers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use openraft::Config;
use openraft::type_config::alias;
use serde::{Deserialize, Serialize};
use twinrail_proto::domain::Rail;

use crate::state::{Command, Outcome};

openraft::declare_raft_types!(
    /// Directors are numbered by `DirectorId`, log entries carry a [`Command`], and applying one answers an [`Outcome`]:
    /// a rejection is an answer like any other. Entries of Raft's own answer an empty `Applied` with their index.
    pub TypeConfig:
        D = Command,
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

/// Switches on what this store needs to be safe, whatever else is configured. Every director starts Raft with it.
///
/// * *A restarted leader must be elected anew.* openraft lets it lead on in its old term by default. But a leader commits
///   what both others have on disk while its own disk is still busy: after a power cut its log may end before what it
///   acknowledged, and leading on it would write other entries with the same log ids. A group that lost power at once
///   lost acknowledged writes that way in 3 of 25 tries (`tests/store/group.rs`).
/// * *Pre-vote*: a director that was cut off does not depose the leader when it comes back.
/// * *A follower's log never goes back.* If it does, its store has lost something.
pub fn safe(config: Config) -> Config {
    Config {
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        allow_log_reversion: Some(false),
        ..config
    }
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

/// openraft prints entries in its log lines: short, and nothing of the content.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} at {}", self.actor, self.at)
    }
}
