//! openraft's own suite for storage, on both twins of the disk.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;
use twinrail_raft_store::raft::TypeConfig;
use twinrail_raft_store::store::disk::{ChaosDisk, SledDisk};
use twinrail_raft_store::store::{LogStore, StateMachine};

use crate::support::open;

struct OnSled;
struct InMemory;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnSled {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = open(SledDisk::open(directory.path()).expect("a new disk")).expect("a new store");
        Ok((directory, store.log, store.machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine> for InMemory {
    async fn build(&self) -> Result<((), LogStore, StateMachine), StorageError<TypeConfig>> {
        let store = open(ChaosDisk::new()).expect("a new store");
        Ok(((), store.log, store.machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_suite_passes_on_sled() {
    Suite::test_all(OnSled).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_suite_passes_in_memory() {
    Suite::test_all(InMemory).await.unwrap();
}
