//! Reading the log: the tail from memory, older entries from the disk, and both while the log changes.

use std::path::Path;
use std::sync::Arc;

use openraft::RaftLogReader;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use twinrail_raft_store::proposal::Proposal;
use twinrail_raft_store::raft::{Entry, TypeConfig};
use twinrail_raft_store::store::disk::{Change, ChaosDisk, Disk, Record, SledDisk};
use twinrail_raft_store::store::{CACHE_ENTRIES, LogStore, QUEUE_LIMIT, REPLICATION_BYTES, Store, StoreError};

use crate::support::{append, command, entry, log_id, open, vote};

async fn filled(mut store: Store, count: u64) -> Store {
    store.log.save_vote(&vote(1)).await.unwrap();
    append(&mut store.log, (0..count).map(|index| entry(1, index)).collect()).await.unwrap();
    store
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id().index()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_is_read_from_memory_and_the_rest_from_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let count = CACHE_ENTRIES as u64 + 300;
    let mut store = filled(open(SledDisk::open(directory.path()).unwrap()).unwrap(), count).await;
    let mut reader = store.log.get_log_reader().await;
    let tail = reader.try_get_log_entries(count - 500..count).await.unwrap();
    assert_eq!(tail, (count - 500..count).map(|index| entry(1, index)).collect::<Vec<_>>());
    assert_eq!(store.counters.view().disk_reads, 0);
    let all = reader.try_get_log_entries(..).await.unwrap();
    assert_eq!(all, (0..count).map(|index| entry(1, index)).collect::<Vec<_>>());
    assert_eq!(store.counters.view().disk_reads, 1);
}

/// A disk whose next long read is held up until the test has changed the log under it.
#[derive(Clone, Default)]
struct SlowDisk {
    disk: ChaosDisk,
    hold: Arc<Mutex<Option<Hold>>>,
}

struct Hold {
    reading: oneshot::Sender<()>,
    go_on: std::sync::mpsc::Receiver<()>,
}

impl SlowDisk {
    fn hold_next_read(&self) -> (oneshot::Receiver<()>, std::sync::mpsc::Sender<()>) {
        let (reading, is_reading) = oneshot::channel();
        let (release, go_on) = std::sync::mpsc::channel();
        *self.hold.lock() = Some(Hold { reading, go_on });
        (is_reading, release)
    }
}

impl Disk for SlowDisk {
    fn location(&self) -> &Path {
        self.disk.location()
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.disk.commit(changes)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        if let Some(hold) = self.hold.lock().take() {
            hold.reading.send(()).unwrap();
            hold.go_on.recv().unwrap();
        }
        self.disk.range(from, to, limit)
    }

    fn put_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.put_file(name, bytes)
    }

    fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get_file(name)
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        self.disk.file_names()
    }

    fn remove_file(&self, name: &str) -> Result<(), StoreError> {
        self.disk.remove_file(name)
    }
}

/// Starts to read everything, changes the log while the disk is being read, and answers what was read in the end.
async fn read_overtaken_by(change: impl AsyncFnOnce(&mut LogStore)) -> Vec<Entry> {
    let disk = SlowDisk::default();
    let mut store = filled(open(disk.clone()).unwrap(), COUNT).await;
    let mut reader = store.log.get_log_reader().await;
    let (is_reading, release) = disk.hold_next_read();
    let read = tokio::spawn(async move { reader.try_get_log_entries(..).await.unwrap() });
    is_reading.await.unwrap();
    change(&mut store.log).await;
    store.log.sync().await.unwrap();
    release.send(()).unwrap();
    read.await.unwrap()
}

/// More than memory keeps.
const COUNT: u64 = CACHE_ENTRIES as u64 + 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_truncation_overtakes_starts_again() {
    let read = read_overtaken_by(async |log| {
        log.truncate_after(Some(log_id(1, 999))).await.unwrap();
        append(log, (1000..COUNT).map(|index| entry(2, index)).collect()).await.unwrap();
    });
    let term = |index| if index < 1000 { 1 } else { 2 };
    let found: Vec<_> = read.await.iter().map(Entry::log_id).collect();
    assert_eq!(found, (0..COUNT).map(|index| log_id(term(index), index)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_purge_overtakes_starts_again() {
    let read = read_overtaken_by(async |log| log.purge(log_id(1, 500)).await.unwrap());
    assert_eq!(indexes(&read.await), (501..COUNT).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_takes_only_so_much() {
    let mut store = filled(open(ChaosDisk::new()).unwrap(), 1).await;
    let large = |index: u64| {
        let mut command = command(index);
        command.actor = "x".repeat(REPLICATION_BYTES / 2 - 1000);
        Entry::new(log_id(1, index), openraft::EntryPayload::Normal(Proposal::new(command).unwrap()))
    };
    let mut huge = command(6);
    huge.actor = "x".repeat(2 * REPLICATION_BYTES);
    let huge = Entry::new(log_id(1, 6), openraft::EntryPayload::Normal(Proposal::new(huge).unwrap()));
    // Not durable yet, so that nobody knows their sizes; then durable.
    store.log.append((1..6).map(large).chain([huge, entry(1, 7)]), IOFlushed::noop()).await.unwrap();
    let mut reader = store.log.get_log_reader().await;
    for _ in 0..2 {
        assert_eq!(indexes(&reader.limited_get_log_entries(1, 8).await.unwrap()), [1, 2]);
        assert_eq!(indexes(&reader.limited_get_log_entries(5, 8).await.unwrap()), [5]);
        assert_eq!(indexes(&reader.limited_get_log_entries(6, 8).await.unwrap()), [6]);
        assert_eq!(indexes(&reader.limited_get_log_entries(7, 8).await.unwrap()), [7]);
        store.log.sync().await.unwrap();
    }
    assert_eq!(indexes(&reader.try_get_log_entries(1..8).await.unwrap()), [1, 2, 3, 4, 5, 6, 7]);
}

/// When the disk is slower than the proposers, they wait: the queue never grows beyond its limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_pushes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = filled(open(SledDisk::open(directory.path()).unwrap()).unwrap(), 1).await;
    let mut waiting = Vec::new();
    let count = 8 * QUEUE_LIMIT as u64;
    for index in 1..count {
        let (done, durable) = TypeConfig::oneshot();
        store.log.append([entry(1, index)], IOFlushed::signal(done)).await.unwrap();
        waiting.push(durable);
        // What is neither durable nor in a batch is in the queue.
        let durable_entries = store.counters.view().entries;
        assert!(index - durable_entries <= 2 * QUEUE_LIMIT as u64, "{index} appended, {durable_entries} durable");
    }
    for durable in waiting {
        durable.await.unwrap().unwrap();
    }
    assert!(store.counters.view().queue_waits > 0, "the queue was never full: the test shows nothing");
    assert_eq!(store.counters.view().entries, count);
}

#[tokio::test]
async fn a_gap_is_refused_and_changes_nothing() {
    let mut store = filled(open(ChaosDisk::new()).unwrap(), 3).await;
    let refused = append(&mut store.log, vec![entry(1, 4)]).await.unwrap_err().to_string();
    assert!(refused.contains("do not follow the last one; the next index is 3"), "{refused}");
    append(&mut store.log, vec![entry(1, 3)]).await.unwrap();
    let mut reader = store.log.get_log_reader().await;
    assert_eq!(indexes(&reader.try_get_log_entries(..).await.unwrap()), [0, 1, 2, 3]);
}
