//! What the real disk adds to sled: long values in parts, and nothing left outside of what is synced.

use std::collections::BTreeMap;

use proptest::prelude::*;
use twinrail_raft_store::store::disk::{Change, ChaosDisk, Disk, SledDisk};

fn value(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|position| (position as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn put(key: &[u8], value: Vec<u8>) -> Change {
    Change::Put { key: key.to_vec(), value }
}

/// sled would keep pages of large values in files of their own, which it never syncs.
#[test]
fn long_values_never_become_blob_files() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(directory.path()).unwrap();
    for round in 0..20 {
        let changes = (0..20).map(|key| put(&[b'l', key], value(100_000 + 10_000 * usize::from(key), round))).collect();
        disk.commit(changes).unwrap();
    }
    let blobs = directory.path().join("sled/blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
    drop(disk);
    let disk = SledDisk::open(directory.path()).unwrap();
    for key in 0..20 {
        assert_eq!(disk.get(&[b'l', key]).unwrap(), Some(value(100_000 + 10_000 * usize::from(key), 19)));
    }
}

/// Parts of a value that became shorter, or was deleted, do not stay behind.
#[test]
fn no_parts_are_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(directory.path()).unwrap();
    disk.commit(vec![put(b"a", value(50_000, 1)), put(b"b", value(50_000, 2))]).unwrap();
    drop(disk);
    let disk = SledDisk::open(directory.path()).unwrap();
    disk.commit(vec![put(b"a", value(5_000, 3)), Change::Delete { key: b"b".to_vec() }]).unwrap();
    drop(disk);
    let database = sled::open(directory.path().join("sled")).unwrap();
    // The value in two parts, and the batch's number.
    assert_eq!(database.open_tree("records").unwrap().len(), 3);
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let length = prop_oneof![0..100usize, 4090..4105usize, 8190..8195usize, Just(30_000)];
    let put = (0..6u8, length, any::<u8>()).prop_map(|(key, length, seed)| put(&[key], value(length, seed)));
    let delete = (0..6u8).prop_map(|key| Change::Delete { key: vec![key] });
    prop::collection::vec(prop::collection::vec(prop_oneof![3 => put, 1 => delete], 1..5), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Both twins answer the same as a map does, also after they were opened again.
    #[test]
    fn both_twins_are_an_ordered_map(batches in changes(), reopen_after in 0..12usize) {
        let directory = tempfile::tempdir().unwrap();
        let mut sled = SledDisk::open(directory.path()).unwrap();
        let mut chaos = ChaosDisk::new();
        let mut model = BTreeMap::new();
        for (number, batch) in batches.into_iter().enumerate() {
            for change in batch.clone() {
                match change {
                    Change::Put { key, value } => model.insert(key, value),
                    Change::Delete { key } => model.remove(&key),
                };
            }
            sled.commit(batch.clone()).unwrap();
            chaos.commit(batch).unwrap();
            if number == reopen_after {
                drop(sled);
                sled = SledDisk::open(directory.path()).unwrap();
                chaos = chaos.cut(chaos.written());
            }
        }
        let expected: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(&sled.range(&[], &[200], 100).unwrap(), &expected);
        prop_assert_eq!(&chaos.range(&[], &[200], 100).unwrap(), &expected);
        prop_assert_eq!(sled.range(&[2], &[4], 1).unwrap(), chaos.range(&[2], &[4], 1).unwrap());
        for key in 0..6 {
            prop_assert_eq!(&sled.get(&[key]).unwrap(), &model.get(&vec![key]).cloned());
        }
    }
}

#[test]
fn files_are_replaced_whole_and_unfinished_ones_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(directory.path()).unwrap();
    disk.put_file("a", b"one").unwrap();
    disk.put_file("a", b"two").unwrap();
    disk.put_file("b", b"three").unwrap();
    disk.remove_file("b").unwrap();
    drop(disk);
    std::fs::write(directory.path().join("files/c.unfinished"), b"half").unwrap();
    let disk = SledDisk::open(directory.path()).unwrap();
    assert_eq!(disk.file_names().unwrap(), ["a"]);
    assert_eq!(disk.get_file("a").unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(disk.get_file("b").unwrap(), None);
}
