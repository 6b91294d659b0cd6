//! The writes that wait for the flusher, in the order in which Raft made them.
//!
//! Bounded: who pushes waits for room ([`QUEUE_LIMIT`]), and Raft with it. A saved `committed` alone is not worth a
//! sync: it takes no room, replaces the one before it, and wakes the flusher only when it has waited for
//! [`COMMITTED_DELAY`] without any other write to travel with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::storage::IOFlushed;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use super::{Counters, StoreError};
use crate::raft::{Entry, LogId, TypeConfig, Vote};

/// Most writes that wait. An append carries up to openraft's `max_payload_entries` (300) entries: enough for many
/// batches, and when the disk is slower than that, Raft should feel it. When it is full the pusher waits.
pub const QUEUE_LIMIT: usize = 1024;
/// After a restart an older `committed` only means that a few entries are applied again a little later.
const COMMITTED_DELAY: Duration = Duration::from_millis(50);

/// One write.
pub enum Request {
    Append {
        entries: Vec<Arc<Entry>>,
        callback: IOFlushed<TypeConfig>,
    },
    /// `done` is answered when the vote is durable.
    Vote {
        vote: Vote,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Committed(LogId),
    /// Removes the entries `from..to`, the last one first.
    Truncate {
        from: u64,
        to: u64,
    },
    /// Remembers `upto`, and removes the entries `from..to`, the first one first.
    Purge {
        upto: LogId,
        from: u64,
        to: u64,
    },
    /// Answers when everything before it is durable.
    Barrier(oneshot::Sender<Result<(), StoreError>>),
}

pub struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Those that are worth a sync of their own.
    urgent: usize,
    /// When the oldest write that is not worth one came.
    patient_since: Option<Instant>,
    closed: bool,
}

impl Queue {
    pub fn new() -> Self {
        Self { waiting: Mutex::default(), wake: Condvar::new(), room: Semaphore::new(QUEUE_LIMIT) }
    }

    /// Waits for room for one request: then push it, or give the room back.
    pub async fn reserve(&self, counters: &Counters) -> Result<(), StoreError> {
        if let Ok(permit) = self.room.try_acquire() {
            permit.forget();
            return Ok(());
        }
        counters.queue_wait();
        self.room.acquire().await.map_err(|_| StoreError::Closed)?.forget();
        Ok(())
    }

    pub fn unreserve(&self) {
        self.room.add_permits(1);
    }

    /// Needs a reservation.
    pub fn push(&self, request: Request) {
        let mut waiting = self.waiting.lock();
        waiting.requests.push_back(request);
        waiting.urgent += 1;
        self.wake.notify_one();
    }

    /// Needs no reservation.
    pub fn push_committed(&self, committed: LogId) {
        let mut waiting = self.waiting.lock();
        if let Some(Request::Committed(last)) = waiting.requests.back_mut() {
            *last = committed;
            return;
        }
        waiting.requests.push_back(Request::Committed(committed));
        if waiting.patient_since.is_none() {
            waiting.patient_since = Some(Instant::now());
            self.wake.notify_one();
        }
    }

    /// Waits for work, and takes at most `most` requests. None: the queue is closed and empty.
    pub fn take(&self, most: usize) -> Option<Vec<Request>> {
        let mut waiting = self.waiting.lock();
        while waiting.urgent == 0 && !waiting.closed {
            match waiting.patient_since.map(|since| since + COMMITTED_DELAY) {
                None => self.wake.wait(&mut waiting),
                Some(deadline) if Instant::now() >= deadline => break,
                Some(deadline) => {
                    self.wake.wait_until(&mut waiting, deadline);
                }
            }
        }
        let count = waiting.requests.len().min(most);
        let taken: Vec<_> = waiting.requests.drain(..count).collect();
        let urgent = taken.iter().filter(|request| !matches!(request, Request::Committed(_))).count();
        waiting.urgent -= urgent;
        waiting.patient_since = None;
        if waiting.requests.iter().any(|request| matches!(request, Request::Committed(_))) {
            waiting.patient_since = Some(Instant::now());
        }
        self.room.add_permits(urgent);
        if taken.is_empty() { None } else { Some(taken) }
    }

    /// What waits is still taken; nothing is reserved any more.
    pub fn close(&self) {
        self.room.close();
        self.waiting.lock().closed = true;
        self.wake.notify_one();
    }
}
