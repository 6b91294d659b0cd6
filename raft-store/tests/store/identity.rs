//! Whose store it is, and who may open it.

use std::sync::Arc;

use twinrail_proto::domain::DirectorId;
use twinrail_raft_store::store::disk::{ChaosDisk, Disk, SledDisk};
use twinrail_raft_store::store::{Checks, Identity, Store, StoreError};

use crate::support::{identity, open};

fn open_as(disk: &ChaosDisk, wanted: Identity) -> Result<Store, StoreError> {
    Store::open(Arc::new(disk.clone()), wanted, Checks::None)
}

#[tokio::test]
async fn the_store_id_is_that_of_the_first_open() {
    let disk = ChaosDisk::new();
    assert_eq!(open(disk.clone()).unwrap().identity, identity());
    let again = open_as(&disk, Identity { store_id: "store-2".to_owned(), ..identity() }).unwrap();
    assert_eq!(again.identity.store_id, "store-1");
}

#[tokio::test]
async fn another_cluster_or_director_is_refused() {
    let disk = ChaosDisk::new();
    open(disk.clone()).unwrap();
    let error = open_as(&disk, Identity { cluster: "red".to_owned(), ..identity() }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the store in memory belongs to cluster 'blue', not to 'red': give this director another directory"
    );
    let error = open_as(&disk, Identity { director: DirectorId(2), ..identity() }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the store in memory belongs to director 1, not to director 2: give this one another directory"
    );
}

#[tokio::test]
async fn a_store_that_lost_its_identity_is_damaged_not_new() {
    let disk = ChaosDisk::new();
    let mut store = open(disk.clone()).unwrap();
    openraft::storage::RaftLogStorage::save_vote(&mut store.log, &crate::support::vote(3)).await.unwrap();
    drop(store);
    disk.damage_records(|records| drop(records.remove(&b"i"[..])));
    assert!(matches!(open(disk), Err(StoreError::Damaged { .. })));

    let only_files = ChaosDisk::new();
    only_files.put_file("snapshot-1", b"x").unwrap();
    assert!(matches!(open(only_files), Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_directory_is_opened_once_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/store");
    let store = open(SledDisk::open(&path).unwrap()).unwrap();
    let error = SledDisk::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(store);
    assert_eq!(open(SledDisk::open(&path).unwrap()).unwrap().identity, identity());
}
