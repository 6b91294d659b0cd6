//! The one thread that writes the log: it takes all that waits, makes it durable with one sync, and answers.
//!
//! ```text
//!   Raft ──append, vote, truncate, purge──▶ queue ──take all──▶ flusher ──one commit──▶ disk
//!    ▲                                                             │
//!    └──────────── callbacks, in order, only when durable ─────────┘
//! ```
//!
//! While the disk syncs one batch, Raft fills the next: so many writers share a sync, and a lone writer waits for none
//! but its own. After the first failure nothing more is written: nobody knows what is on the disk.
//!
//! The changes of a batch are in such an order that every beginning of them is a log without holes: a power cut may leave
//! any of them.

use std::sync::Arc;
use std::time::Instant;

use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::disk::Change;
use super::log_store::Shared;
use super::queue::Request;
use super::{StoreError, keys, record};
use crate::raft::{Entry, LogId, TypeConfig, Vote};

/// Most requests that share a sync: more would only make the first ones wait for the encoding of the last.
const BATCH_REQUESTS: usize = 512;
/// Longest encoded entry: far above what the API accepts. A longer one stops the store, as a failed write does.
const MAX_ENTRY_BYTES: usize = 64 << 20;

/// Runs until the queue is closed and empty.
pub fn run(shared: &Shared) {
    let _close = CloseOnExit(shared);
    while let Some(requests) = shared.queue.take(BATCH_REQUESTS) {
        let mut batch = Batch::default();
        let result = batch.fill(requests).and_then(|()| batch.write(shared));
        batch.answer(shared, result);
    }
}

/// When the thread ends, also by a panic, nobody may wait for it any more.
struct CloseOnExit<'a>(&'a Shared);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    entries: Vec<(Arc<Entry>, usize)>,
    waiting: Vec<Waiting>,
    vote: Option<Vote>,
}

enum Waiting {
    Append(IOFlushed<TypeConfig>),
    Other(oneshot::Sender<Result<(), StoreError>>),
}

impl Batch {
    /// Takes in every request, also after one that cannot be encoded: each of them must be answered.
    fn fill(&mut self, requests: Vec<Request>) -> Result<(), StoreError> {
        let mut result = Ok(());
        for request in requests {
            let added = self.add(request);
            result = result.and(added);
        }
        result
    }

    fn add(&mut self, request: Request) -> Result<(), StoreError> {
        match request {
            Request::Append { entries, callback } => {
                self.waiting.push(Waiting::Append(callback));
                entries.into_iter().try_for_each(|entry| self.add_entry(entry))
            }
            Request::Vote { vote, done } => {
                self.waiting.push(Waiting::Other(done));
                self.vote = Some(vote);
                self.put("the vote", keys::VOTE, &vote)
            }
            Request::Committed(committed) => self.put("the committed log id", keys::COMMITTED, &committed),
            Request::Truncate { from, to } => {
                self.changes.extend((from..to).rev().map(|index| Change::Delete { key: keys::log(index) }));
                Ok(())
            }
            Request::Purge { upto, from, to } => self.add_purge(upto, from..to),
            Request::Barrier(done) => {
                self.waiting.push(Waiting::Other(done));
                Ok(())
            }
        }
    }

    fn add_entry(&mut self, entry: Arc<Entry>) -> Result<(), StoreError> {
        let key = keys::log(entry.log_id().index());
        let value = record::seal("a log entry", &key, &*entry)?;
        let length = value.len();
        if length > MAX_ENTRY_BYTES {
            return Err(StoreError::RecordTooLong { length, limit: MAX_ENTRY_BYTES });
        }
        self.changes.push(Change::Put { key, value });
        self.entries.push((entry, length));
        Ok(())
    }

    /// The purged log id first: where the power goes between it and the last deletion, the rest is swept at the next open.
    fn add_purge(&mut self, upto: LogId, gone: std::ops::Range<u64>) -> Result<(), StoreError> {
        self.put("the purged log id", keys::PURGED, &upto)?;
        self.changes.extend(gone.map(|index| Change::Delete { key: keys::log(index) }));
        Ok(())
    }

    fn put<T: serde::Serialize>(&mut self, what: &'static str, key: &[u8], value: &T) -> Result<(), StoreError> {
        let value = record::seal(what, key, value)?;
        self.changes.push(Change::Put { key: key.to_vec(), value });
        Ok(())
    }

    fn write(&mut self, shared: &Shared) -> Result<(), StoreError> {
        shared.refuse_after_failure()?;
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() {
            return Ok(());
        }
        let bytes = changes.iter().map(Change::bytes).sum();
        let started = Instant::now();
        shared.disk.commit(changes)?;
        shared.counters.batch(self.entries.len(), bytes, started.elapsed());
        Ok(())
    }

    fn answer(self, shared: &Shared, result: Result<(), StoreError>) {
        match &result {
            Ok(()) => shared.set_durable(&self.entries, self.vote),
            Err(error) => {
                shared.counters.failed_batch();
                shared.fail(error);
            }
        }
        for waiting in self.waiting {
            let answer = if result.is_ok() { Ok(()) } else { shared.refuse_after_failure() };
            match waiting {
                Waiting::Append(callback) => callback.io_completed(answer.map_err(Into::into)),
                // Who asked may have gone away; the write is durable all the same.
                Waiting::Other(done) => drop(done.send(answer)),
            }
        }
    }
}
