//! openraft's log storage: writes go into the memory view and the queue, reads come from memory and, for old entries,
//! from the disk.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::disk::Disk;
use super::log_view::{Found, LogView};
use super::queue::{Queue, Request};
use super::{Counters, StoreError, flusher, keys, record};
use crate::raft::{Entry, LogId, LogState, TypeConfig, Vote};

/// Most encoded bytes that one replication message takes from the log: with what gRPC adds it stays below the 4 MiB that a
/// receiver accepts. A single longer entry is given alone.
pub const REPLICATION_BYTES: usize = 2 << 20;

/// What the handles, the readers and the flusher share.
pub(super) struct Shared {
    pub view: Mutex<LogView>,
    pub queue: Queue,
    pub disk: Arc<dyn Disk>,
    pub counters: Arc<Counters>,
    failure: OnceLock<String>,
}

impl Shared {
    pub fn refuse_after_failure(&self) -> Result<(), StoreError> {
        self.failure.get().map_or(Ok(()), |first| Err(StoreError::Stopped { first: first.clone() }))
    }

    pub fn fail(&self, error: &StoreError) {
        if self.failure.set(error.to_string()).is_ok() {
            tracing::error!(%error, path = %self.disk.location().display(), "the store stopped");
        }
    }

    pub fn set_durable(&self, entries: &[(Arc<Entry>, usize)], vote: Option<Vote>) {
        let mut view = self.view.lock();
        view.set_durable(entries);
        view.vote = vote.or(view.vote);
    }
}

/// The log of one director. Clones are the same log; when the last one is dropped, what waits is written.
#[derive(Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
    _flusher: Arc<Flusher>,
}

struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.shared.queue.close();
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(_)) = joined {
            tracing::error!("the flusher thread panicked");
        }
    }
}

impl LogStore {
    pub(super) fn start(view: LogView, disk: Arc<dyn Disk>, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let queue = Queue::new();
        let shared = Arc::new(Shared { view: Mutex::new(view), queue, disk, counters, failure: OnceLock::new() });
        let thread = std::thread::Builder::new().name("raft-log".to_owned());
        let thread = thread.spawn({
            let shared = shared.clone();
            move || flusher::run(&shared)
        });
        let thread = Some(thread.map_err(StoreError::Thread)?);
        let flusher = Arc::new(Flusher { shared: shared.clone(), thread });
        Ok(Self { shared, _flusher: flusher })
    }

    /// Returns when everything that was written before is durable.
    pub async fn sync(&self) -> Result<(), StoreError> {
        self.write(Request::Barrier).await
    }

    async fn reserve(&self) -> Result<(), StoreError> {
        self.shared.refuse_after_failure()?;
        self.shared.queue.reserve(&self.shared.counters).await
    }

    /// Queues a write and waits until it is durable.
    async fn write(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> Request,
    ) -> Result<(), StoreError> {
        self.reserve().await?;
        let (done, durable) = oneshot::channel();
        self.shared.queue.push(request(done));
        durable.await.map_err(|_| StoreError::Closed)?
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState> {
        Ok(self.shared.view.lock().log_state())
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader { shared: self.shared.clone() }
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = *vote;
        Ok(self.write(|done| Request::Vote { vote, done }).await?)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.shared.refuse_after_failure()?;
        self.shared.view.lock().committed = committed;
        if let Some(committed) = committed {
            self.shared.queue.push_committed(committed);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.view.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        self.reserve().await?;
        let mut view = self.shared.view.lock();
        view.append(&entries).inspect_err(|_| self.shared.queue.unreserve())?;
        // Under the view's lock, so that both have the same order.
        self.shared.queue.push(Request::Append { entries, callback });
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        self.reserve().await?;
        let mut view = self.shared.view.lock();
        match view.truncate_after(last_log_id) {
            Some(gone) => self.shared.queue.push(Request::Truncate { from: gone.start, to: gone.end }),
            None => self.shared.queue.unreserve(),
        }
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.reserve().await?;
        let mut view = self.shared.view.lock();
        match view.purge(log_id) {
            Some(gone) => self.shared.queue.push(Request::Purge { upto: log_id, from: gone.start, to: gone.end }),
            None => self.shared.queue.unreserve(),
        }
        Ok(())
    }
}

/// Reads entries, durable or not, as soon as `append` has returned.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    /// The entries of `start..end` that the log has, with their encoded sizes where those are known.
    async fn read(&self, start: u64, end: u64) -> Result<Vec<(Entry, Option<usize>)>, StoreError> {
        loop {
            let (found, truncations) = {
                let view = self.shared.view.lock();
                (view.find(start, end), view.truncations())
            };
            let Found { disk, cached } = found;
            let mut entries = self.read_disk(disk.clone()).await?;
            if !disk.is_empty() {
                let view = self.shared.view.lock();
                if view.truncations() != truncations || view.first() > disk.start {
                    continue;
                }
                drop(view);
                self.check_complete(&disk, entries.len())?;
            }
            entries.extend(cached.into_iter().map(|(entry, bytes)| (Entry::clone(&entry), bytes)));
            return Ok(entries);
        }
    }

    async fn read_disk(&self, range: Range<u64>) -> Result<Vec<(Entry, Option<usize>)>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.counters.disk_read();
        let disk = self.shared.disk.clone();
        let read = move || {
            let count = (range.end - range.start) as usize;
            let records = disk.range(&keys::log(range.start), &keys::log(range.end), count)?;
            let decode = |(key, framed): (Vec<u8>, Vec<u8>)| {
                let entry = record::unseal("a log entry", &key, &framed, disk.location())?;
                Ok((entry, Some(framed.len())))
            };
            records.into_iter().map(decode).collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
    }

    fn check_complete(&self, range: &Range<u64>, count: usize) -> Result<(), StoreError> {
        if count as u64 == range.end - range.start {
            return Ok(());
        }
        let what = format!("of the log entries {}..{} only {count} are there", range.start, range.end);
        Err(StoreError::Damaged { what, path: self.shared.disk.location().to_owned() })
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let entries = self.read(start, end).await?;
        Ok(entries.into_iter().map(|(entry, _)| entry).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.view.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let mut room = REPLICATION_BYTES;
        let mut limited = Vec::new();
        for (entry, bytes) in self.read(start, end).await? {
            let bytes = bytes.map_or_else(|| encoded_size(&entry), Ok)?;
            if bytes > room && !limited.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            limited.push(entry);
        }
        Ok(limited)
    }
}

/// Of an entry that the flusher has not encoded yet.
fn encoded_size(entry: &Entry) -> Result<usize, StoreError> {
    let encoded = rmp_serde::to_vec_named(entry);
    Ok(encoded.map_err(|source| StoreError::Encode { what: "a log entry", source })?.len())
}
