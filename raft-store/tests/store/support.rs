//! What the scenarios share.

use std::sync::Arc;

use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::type_config::alias::LeaderIdOf;
use openraft::vote::RaftLeaderIdExt;
use openraft::{EntryPayload, RaftLogReader, StorageError};
use twinrail_proto::domain::DirectorId;
use twinrail_raft_store::proposal::Proposal;
use twinrail_raft_store::raft::{Entry, LogId, LogState, TypeConfig, Vote};
use twinrail_raft_store::state::{Command, Operation};
use twinrail_raft_store::store::disk::Disk;
use twinrail_raft_store::store::{Checks, Identity, LogStore, Store, StoreError};

pub fn identity() -> Identity {
    Identity { cluster: "blue".to_owned(), director: DirectorId(1), store_id: "store-1".to_owned() }
}

pub fn open(disk: impl Disk) -> Result<Store, StoreError> {
    Store::open(Arc::new(disk), identity(), Checks::EveryApply)
}

pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderIdOf::<TypeConfig>::new_committed(term, 1), index)
}

pub fn vote(term: u64) -> Vote {
    Vote::new(term, 1)
}

/// A command whose content follows from its index, so that every byte of it can be checked.
pub fn command(index: u64) -> Command {
    let cluster = format!("cluster-{index}-{}", "x".repeat(index as usize % 200));
    let operation = Operation::Found { cluster };
    Command { request_id: None, intent: index, at: index, actor: "test".to_owned(), operation }
}

pub fn entry(term: u64, index: u64) -> Entry {
    Entry::new(log_id(term, index), EntryPayload::Normal(Proposal::new(command(index)).unwrap()))
}

/// Appends and waits until it is durable.
pub async fn append(log: &mut LogStore, entries: Vec<Entry>) -> Result<(), StorageError<TypeConfig>> {
    log.blocking_append(entries).await
}

/// Everything that a log says of itself.
#[derive(Debug, PartialEq)]
pub struct Contents {
    pub vote: Option<Vote>,
    pub state: LogState,
    pub entries: Vec<Entry>,
}

pub async fn contents(log: &mut LogStore) -> Contents {
    let state = log.get_log_state().await.unwrap();
    let mut reader = log.get_log_reader().await;
    Contents { vote: reader.read_vote().await.unwrap(), state, entries: reader.try_get_log_entries(..).await.unwrap() }
}
