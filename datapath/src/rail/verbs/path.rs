use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use twinrail_datapath_sys::EventFd;
use twinrail_datapath_sys::verbs::{QueuePair, WorkError};

use super::credits;
use crate::Cause;
use crate::rail::Nanos;

/// News between the threads of a rail. One for each path and a few more; when it is full the news is lost, and what it was
/// about is tried again by the next hello.
const NEWS: usize = 2048;

/// One connection with one peer, as all threads of the rail see it.
pub(super) struct Path {
    pub peer: IpAddr,
    /// One for each sending thread.
    pub queue_pairs: [Arc<QueuePair>; 2],
    pub window: u16,
    /// How many messages were taken from each of the peer's queue pairs, and how many the peer was told of.
    pub taken: [AtomicU16; 2],
    pub told: [AtomicU16; 2],
    /// How many of ours the peer took, as it said last.
    pub taken_by_peer: [AtomicU16; 2],
    /// The peer receives: messages may be sent.
    pub ready: AtomicBool,
    pub broken: AtomicBool,
    /// When a message came last.
    pub heard: AtomicU64,
    /// It is in the list of those whose peer is to be told.
    pub owing: AtomicBool,
}

impl Path {
    pub fn new(peer: IpAddr, queue_pairs: [Arc<QueuePair>; 2], window: u16, ready: bool, now: Nanos) -> Self {
        Self {
            peer,
            queue_pairs,
            window,
            taken: Default::default(),
            told: Default::default(),
            taken_by_peer: Default::default(),
            ready: AtomicBool::new(ready),
            broken: AtomicBool::new(false),
            heard: AtomicU64::new(now),
            owing: AtomicBool::new(false),
        }
    }

    pub fn is_usable(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.broken.load(Ordering::Acquire)
    }

    /// The number that goes along with a message, telling the peer how many were taken.
    pub fn tell(&self) -> u32 {
        let taken = [0, 1].map(|lane: usize| {
            let taken = self.taken[lane].load(Ordering::Relaxed);
            self.told[lane].store(taken, Ordering::Relaxed);
            taken
        });
        credits::pack(taken)
    }

    pub fn is_owed(&self) -> bool {
        (0..2).any(|lane| {
            let (taken, told) = (self.taken[lane].load(Ordering::Relaxed), self.told[lane].load(Ordering::Relaxed));
            credits::is_owed(taken, told, self.window)
        })
    }

    /// The peer says how many of ours it took. False: that cannot be.
    pub fn hear(&self, number: u32) -> bool {
        credits::unpack(number).into_iter().zip(&self.taken_by_peer).all(|(taken, known)| {
            let before = known.load(Ordering::Relaxed);
            // Both queue pairs carry both counts, and one may be slower: an older count says nothing new.
            if before.wrapping_sub(taken) <= self.window {
                return true;
            }
            known.store(taken, Ordering::Relaxed);
            credits::is_plausible(before, taken, self.window)
        })
    }
}

/// What a thread asks of the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// There is something to send to this peer, and no path.
    Connect(IpAddr),
    /// The peer was not heard for a while: is there anybody?
    Probe(IpAddr),
}

/// Where the threads of a rail leave news for each other.
pub(super) struct Exchange {
    pub requests: ArrayQueue<Request>,
    /// Paths that broke, and why.
    pub broken: ArrayQueue<(Arc<Path>, Cause)>,
    /// Paths that nobody of the datapath uses any more: destroying their queue pairs takes its time.
    pub done: ArrayQueue<Arc<Path>>,
    pub stop: AtomicBool,
    /// Wakes the connector.
    pub connector: EventFd,
    pub for_senders: [ArrayQueue<Arc<Path>>; 2],
    pub for_receiver: ArrayQueue<Arc<Path>>,
    /// Peers that are known to have closed their end.
    pub refused: ArrayQueue<IpAddr>,
    /// What the rail itself dropped or closed.
    pub causes: ArrayQueue<Cause>,
    /// Wakes the receiver.
    pub receiver: EventFd,
    /// Paths whose peer is to be told how much was taken.
    pub owing: ArrayQueue<Arc<Path>>,
}

impl Exchange {
    pub fn new() -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            requests: ArrayQueue::new(NEWS),
            broken: ArrayQueue::new(NEWS),
            done: ArrayQueue::new(NEWS),
            stop: AtomicBool::new(false),
            connector: EventFd::new()?,
            for_senders: [ArrayQueue::new(NEWS), ArrayQueue::new(NEWS)],
            for_receiver: ArrayQueue::new(NEWS),
            refused: ArrayQueue::new(NEWS),
            causes: ArrayQueue::new(NEWS),
            receiver: EventFd::new()?,
            owing: ArrayQueue::new(NEWS),
        }))
    }

    pub fn ask(&self, request: Request) {
        if self.requests.push(request).is_ok() {
            self.connector.wake();
        }
    }

    /// The path works no more. The first who says so says why.
    pub fn break_path(&self, path: &Arc<Path>, cause: Cause) {
        if !path.broken.swap(true, Ordering::AcqRel) && self.broken.push((Arc::clone(path), cause)).is_ok() {
            self.connector.wake();
        }
    }

    pub fn finish(&self, path: Arc<Path>) {
        if self.done.push(path).is_ok() {
            self.connector.wake();
        }
    }
}

/// What a failed work request says of its path. None: it says nothing, another one does.
pub(super) fn cause_of(error: WorkError) -> Cause {
    match error {
        WorkError::RetryExceeded => Cause::RailUnanswered,
        WorkError::ReceiverNotReady => Cause::RailStalled,
        WorkError::Length => Cause::TooLarge,
        WorkError::RemoteAccess => Cause::RailAccess,
        WorkError::RemoteInvalid => Cause::RailRequest,
        WorkError::Flushed | WorkError::Protection | WorkError::RemoteFailed | WorkError::Other(_) => Cause::RailBroken,
    }
}
