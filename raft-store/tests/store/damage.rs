//! Damage that no power cut makes: the store says so, and how to go on; it never opens with less than it had.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use openraft::RaftSnapshotBuilder;
use openraft::storage::{EntryResponder, RaftLogStorage, RaftStateMachine};
use twinrail_raft_store::raft::TypeConfig;
use twinrail_raft_store::store::disk::{ChaosDisk, Disk, SledDisk};
use twinrail_raft_store::store::{Store, StoreError};

use crate::support::{Contents, append, contents, entry, log_id, open, vote};

const ENTRIES: u64 = 60;
const PURGED: u64 = 20;

/// A store with everything in it: vote, log, committed, a snapshot, a purged beginning.
async fn fill(disk: impl Disk) -> Contents {
    let mut store = open(disk).unwrap();
    store.log.save_vote(&vote(1)).await.unwrap();
    append(&mut store.log, (0..ENTRIES).map(|index| entry(1, index)).collect()).await.unwrap();
    let applied = (0..=PURGED).map(|index| Ok::<EntryResponder<TypeConfig>, _>((entry(1, index), None)));
    store.machine.apply(futures::stream::iter(applied)).await.unwrap();
    store.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    store.log.purge(log_id(1, PURGED)).await.unwrap();
    store.log.save_committed(Some(log_id(1, ENTRIES - 1))).await.unwrap();
    store.log.sync().await.unwrap();
    contents(&mut store.log).await
}

fn assert_damaged(opened: Result<Store, StoreError>, damage: &str) {
    let Err(error) = opened else { panic!("{damage}: it opened") };
    assert!(matches!(error, StoreError::Damaged { .. }), "{damage}: {error}");
    let text = error.to_string();
    assert!(text.contains("join again under a new id as a new voter"), "{damage}: {text}");
}

#[tokio::test]
async fn any_record_that_is_changed_or_moved_is_noticed() {
    let disk = ChaosDisk::new();
    fill(disk.clone()).await;
    let mut keys = Vec::new();
    disk.damage_records(|records| keys.extend(records.keys().cloned()));
    assert!(keys.len() as u64 > ENTRIES - PURGED);
    for key in keys {
        for position in [0, 2, 6, 20] {
            let damaged = disk.cut(disk.written());
            damaged.damage_records(|records| records.get_mut(&key).unwrap()[position] ^= 0x10);
            assert_damaged(open(damaged), &format!("byte {position} of {key:?}"));
        }
        let damaged = disk.cut(disk.written());
        damaged.damage_records(|records| {
            let other = records.values().next_back().unwrap().clone();
            let moved = std::mem::replace(records.get_mut(&key).unwrap(), other.clone());
            if moved == other {
                records.get_mut(&key).unwrap().truncate(5);
            }
        });
        assert_damaged(open(damaged), &format!("another record in the place of {key:?}"));
    }
}

#[tokio::test]
async fn any_record_that_is_missing_is_noticed() {
    let disk = ChaosDisk::new();
    fill(disk.clone()).await;
    let mut keys = Vec::new();
    disk.damage_records(|records| keys.extend(records.keys().cloned()));
    // Without it the committed entries are known a little later: nothing is lost.
    keys.retain(|key| key != b"c");
    for key in keys {
        let damaged = disk.cut(disk.written());
        damaged.damage_records(|records| drop(records.remove(&key)));
        assert_damaged(open(damaged), &format!("without {key:?}"));
    }
}

#[tokio::test]
async fn a_snapshot_that_is_damaged_or_missing_is_noticed() {
    let disk = ChaosDisk::new();
    fill(disk.clone()).await;
    let name = disk.file_names().unwrap().pop().unwrap();
    let length = disk.get_file(&name).unwrap().unwrap().len();
    for position in 0..length {
        let damaged = disk.cut(disk.written());
        damaged.damage_files(|files| files.get_mut(&name).unwrap()[position] ^= 1);
        assert_damaged(open(damaged), &format!("byte {position} of the snapshot"));
    }
    let damaged = disk.cut(disk.written());
    damaged.damage_files(|files| drop(files.remove(&name)));
    assert_damaged(open(damaged), "without the snapshot");
    let damaged = disk.cut(disk.written());
    damaged.damage_files(|files| files.get_mut(&name).unwrap().clear());
    assert_damaged(open(damaged), "an empty snapshot");
}

/// sled's own files, and ours beside them, after damage at many places. Where it opens, everything must be there.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_noticed_or_harmless() {
    let original = tempfile::tempdir().unwrap();
    let expected = fill(SledDisk::open(original.path()).unwrap()).await;
    let mut noticed = 0;
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for file in ["sled/db", "sled/conf", "mark"] {
        for round in 0..40 {
            let copy = tempfile::tempdir().unwrap();
            copy_directory(original.path(), copy.path());
            let place = damage_file(&copy.path().join(file), round % 3, &mut random);
            noticed += usize::from(!opens_whole(copy.path(), &expected, &format!("{file}: {place}")).await);
        }
    }
    assert!(noticed > 20, "only {noticed} of 120 damages were noticed: the test misses the data");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_files_are_noticed() {
    for missing in ["sled/db", "sled", "mark", "files"] {
        let directory = tempfile::tempdir().unwrap();
        fill(SledDisk::open(directory.path()).unwrap()).await;
        let path = directory.path().join(missing);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap()
        } else {
            std::fs::remove_file(&path).unwrap()
        }
        assert_damaged(SledDisk::open(directory.path()).and_then(open), &format!("without {missing}"));
        // And it stays so: the first attempt to open it did not make a new store of it.
        assert_damaged(SledDisk::open(directory.path()).and_then(open), &format!("without {missing}, again"));
    }
}

/// An older copy of the database is a store that forgot.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_in_its_place_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    let mut store = open(SledDisk::open(directory.path()).unwrap()).unwrap();
    store.log.save_vote(&vote(1)).await.unwrap();
    drop(store);
    copy_directory(directory.path(), older.path());
    let mut store = open(SledDisk::open(directory.path()).unwrap()).unwrap();
    store.log.save_vote(&vote(2)).await.unwrap();
    drop(store);
    std::fs::remove_dir_all(directory.path().join("sled")).unwrap();
    copy_directory(&older.path().join("sled"), &directory.path().join("sled"));
    assert_damaged(SledDisk::open(directory.path()).and_then(open), "an older database");
}

async fn opens_whole(path: &Path, expected: &Contents, damage: &str) -> bool {
    let mut store = match SledDisk::open(path).and_then(open) {
        Ok(store) => store,
        Err(error) => {
            assert!(matches!(error, StoreError::Damaged { .. }), "{damage}: {error}");
            return false;
        }
    };
    assert_eq!(&contents(&mut store.log).await, expected, "{damage}: it opened, and not all was there");
    true
}

fn damage_file(path: &Path, kind: u64, random: &mut impl FnMut(u64) -> u64) -> String {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let at = random(length);
    match kind {
        0 => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
            format!("byte {at} of {length} changed")
        }
        1 => {
            let zeros = vec![0; 512.min(length - at) as usize];
            file.write_all_at(&zeros, at).unwrap();
            format!("{} bytes from {at} of {length} zeroed", zeros.len())
        }
        _ => {
            file.set_len(at).unwrap();
            format!("cut to {at} of {length} bytes")
        }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
