//! The power goes at every byte of a sequence of writes; nothing that was acknowledged before may be missing after.

use openraft::RaftSnapshotBuilder;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use twinrail_raft_store::raft::{Entry, LogId, TypeConfig};
use twinrail_raft_store::store::Store;
use twinrail_raft_store::store::disk::ChaosDisk;

use crate::support::{Contents, append, contents, entry, log_id, open, vote};

/// What was durable, and acknowledged, when so many bytes were written.
struct Moment {
    written: usize,
    contents: Contents,
    snapshot: Option<LogId>,
}

struct Recording {
    disk: ChaosDisk,
    store: Store,
    moments: Vec<Moment>,
}

impl Recording {
    async fn start() -> Self {
        let disk = ChaosDisk::new();
        let store = open(disk.clone()).unwrap();
        let mut recording = Self { disk, store, moments: Vec::new() };
        recording.acknowledged().await;
        recording
    }

    async fn acknowledged(&mut self) {
        self.store.log.sync().await.unwrap();
        let snapshot = self.store.machine.get_current_snapshot().await.unwrap();
        self.moments.push(Moment {
            written: self.disk.written(),
            contents: contents(&mut self.store.log).await,
            snapshot: snapshot.and_then(|snapshot| snapshot.meta.last_log_id),
        });
    }

    async fn append(&mut self, term: u64, indexes: std::ops::Range<u64>) {
        append(&mut self.store.log, indexes.map(|index| entry(term, index)).collect()).await.unwrap();
        self.acknowledged().await;
    }

    async fn vote(&mut self, term: u64) {
        self.store.log.save_vote(&vote(term)).await.unwrap();
        self.acknowledged().await;
    }

    async fn truncate(&mut self, keep: LogId) {
        self.store.log.truncate_after(Some(keep)).await.unwrap();
        self.acknowledged().await;
    }

    async fn commit_and_apply(&mut self, term: u64, indexes: std::ops::RangeInclusive<u64>) {
        self.store.log.save_committed(Some(log_id(term, *indexes.end()))).await.unwrap();
        let applied = indexes.map(|index| Ok::<EntryResponder<TypeConfig>, _>((entry(term, index), None)));
        self.store.machine.apply(futures::stream::iter(applied)).await.unwrap();
    }

    async fn snapshot(&mut self) {
        self.store.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
        self.acknowledged().await;
    }

    async fn purge(&mut self, upto: LogId) {
        self.store.log.purge(upto).await.unwrap();
        self.acknowledged().await;
    }
}

async fn record() -> Recording {
    let mut recording = Recording::start().await;
    recording.vote(1).await;
    recording.append(1, 0..1).await;
    recording.append(1, 1..6).await;
    recording.append(1, 6..9).await;
    recording.commit_and_apply(1, 0..=6).await;
    recording.vote(2).await;
    recording.truncate(log_id(1, 6)).await;
    recording.append(2, 7..12).await;
    recording.snapshot().await;
    recording.purge(log_id(1, 4)).await;
    recording.append(2, 12..14).await;
    recording.commit_and_apply(2, 7..=13).await;
    recording.snapshot().await;
    recording.vote(5).await;
    recording.purge(log_id(2, 13)).await;
    recording.append(5, 14..20).await;
    recording
}

/// Writes are there in order: after a cut one finds what was acknowledged before it, and perhaps a part of the very next
/// write (durable, but the power went before anybody was told).
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_at_any_byte_loses_nothing_acknowledged() {
    let recording = record().await;
    let mut found_exactly = vec![false; recording.moments.len()];
    for cut in recording.moments[0].written..=recording.disk.written() {
        let before = recording.moments.iter().rposition(|moment| moment.written <= cut).unwrap();
        let after = recording.moments.len().min(before + 2) - 1;
        let mut store = open(recording.disk.cut(cut)).unwrap_or_else(|error| panic!("cut at byte {cut}: {error}"));
        let snapshot = store.machine.get_current_snapshot().await.unwrap();
        let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id);
        let found = Moment { written: cut, contents: contents(&mut store.log).await, snapshot };
        found.assert_between(&recording.moments[before], &recording.moments[after]);
        found_exactly[before] |= found.contents == recording.moments[before].contents;
    }
    assert!(found_exactly.iter().all(|found| *found), "the cuts met only {found_exactly:?}");
}

impl Moment {
    fn assert_between(&self, before: &Self, after: &Self) {
        let [found, old, new] = [self, before, after].map(|moment| &moment.contents);
        let cut = self.written;
        assert!(found.vote == old.vote || found.vote == new.vote, "cut at byte {cut}: voted {:?}", found.vote);
        assert!(self.snapshot == before.snapshot || self.snapshot == after.snapshot, "cut at byte {cut}");
        let purged = found.state.last_purged_log_id;
        assert!(purged == old.state.last_purged_log_id || purged == new.state.last_purged_log_id, "cut at byte {cut}");
        let lost = old.entries.iter().find(|entry| new.entries.contains(entry) && !found.entries.contains(entry));
        assert_eq!(lost, None, "cut at byte {cut}");
        let strange = found.entries.iter().find(|entry| !old.entries.contains(entry) && !new.entries.contains(entry));
        assert_eq!(strange, None, "cut at byte {cut}");
    }
}

/// A store that was cut goes on: what is written then is durable in its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_cut_goes_on() {
    let recording = record().await;
    for cut in (recording.moments[0].written..=recording.disk.written()).step_by(97) {
        let disk = recording.disk.cut(cut);
        let mut store = open(disk.clone()).unwrap();
        let next = store.log.get_log_state().await.unwrap().last_log_id.map_or(0, |last| last.index() + 1);
        store.log.save_vote(&vote(9)).await.unwrap();
        append(&mut store.log, (next..next + 3).map(|index| entry(9, index)).collect()).await.unwrap();
        let before = contents(&mut store.log).await;
        let mut again = open(disk.cut(disk.written())).unwrap();
        assert_eq!(contents(&mut again.log).await, before, "cut at byte {cut}");
    }
}

/// Many appends share a batch: each callback comes only when its entries are durable.
#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_overlapping_appends_come_after_the_sync() {
    let disk = ChaosDisk::new();
    let mut store = open(disk.clone()).unwrap();
    store.log.save_vote(&vote(1)).await.unwrap();
    let mut waiting = Vec::new();
    for index in 0..500 {
        let (done, durable) = TypeConfig::oneshot();
        store.log.append([entry(1, index)], IOFlushed::signal(done)).await.unwrap();
        waiting.push(durable);
    }
    for (index, durable) in waiting.into_iter().enumerate() {
        durable.await.unwrap().unwrap();
        let after_cut = contents(&mut open(disk.cut(disk.written())).unwrap().log).await;
        let last = after_cut.entries.last().map(Entry::log_id);
        assert!(
            last >= Some(log_id(1, index as u64)),
            "entry {index} was acknowledged, and the disk ends with {last:?}"
        );
    }
    let counted = store.counters.view();
    assert_eq!(counted.entries, 500);
    assert!(counted.batches < 300, "{} batches for 500 appends: no group commit", counted.batches);
}

/// A full disk: the write fails, and so does every later one; what was acknowledged before is there.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_write_nothing_is_acknowledged() {
    let disk = ChaosDisk::new();
    let mut store = open(disk.clone()).unwrap();
    store.log.save_vote(&vote(1)).await.unwrap();
    append(&mut store.log, vec![entry(1, 0)]).await.unwrap();
    disk.fail_after(1);
    append(&mut store.log, vec![entry(1, 1)]).await.unwrap();
    let refused = append(&mut store.log, vec![entry(1, 2)]).await.unwrap_err().to_string();
    assert!(refused.contains("cannot write a batch"), "{refused}");
    disk.fail_after(1000);
    let refused = store.log.save_vote(&vote(2)).await.unwrap_err().to_string();
    assert!(refused.contains("takes no more writes"), "{refused}");
    assert!(append(&mut store.log, vec![entry(1, 3)]).await.is_err());
    drop(store);
    let after = contents(&mut open(disk).unwrap().log).await;
    assert_eq!(after.entries, [entry(1, 0), entry(1, 1)]);
    assert_eq!(after.vote, Some(vote(1)));
}

/// `committed` is saved without a sync of its own, and yet is there after a while, or after closing.
#[tokio::test(flavor = "multi_thread")]
async fn committed_is_saved_in_time() {
    let disk = ChaosDisk::new();
    let mut store = open(disk.clone()).unwrap();
    store.log.save_vote(&vote(1)).await.unwrap();
    append(&mut store.log, (0..4).map(|index| entry(1, index)).collect()).await.unwrap();
    let before = store.counters.view().batches;
    store.log.save_committed(Some(log_id(1, 1))).await.unwrap();
    store.log.save_committed(Some(log_id(1, 2))).await.unwrap();
    assert_eq!(store.counters.view().batches, before);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.counters.view().batches == before {
        assert!(std::time::Instant::now() < deadline, "it was never saved");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let read = async |disk: ChaosDisk| open(disk).unwrap().log.read_committed().await.unwrap();
    assert_eq!(read(disk.cut(disk.written())).await, Some(log_id(1, 2)));
    store.log.save_committed(Some(log_id(1, 3))).await.unwrap();
    drop(store);
    assert_eq!(read(disk).await, Some(log_id(1, 3)));
}
