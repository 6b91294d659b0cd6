use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use twinrail_datapath_sys::verbs::{Completion, CompletionQueue, Completions, SharedReceives};
use twinrail_datapath_sys::{Buffer, Epoll};

use super::connector::ConnectorThread;
use super::memory::Regions;
use super::path::{Exchange, Path, cause_of};
use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::fast_map::FastMap;
use crate::rail::{Incoming, Nanos, RailReceiver, ReceiveReport};

/// Times in a row that the queue is looked at again after it was armed: what comes in between is taken at once, but the
/// thread goes on to its other rail and its timer.
const LOOKS: usize = 4;

pub(super) struct VerbsReceiver {
    pub exchange: Arc<Exchange>,
    pub receives: Arc<SharedReceives>,
    pub completions: Arc<CompletionQueue>,
    pub polled: Completions,
    pub regions: Regions,
    /// By queue pair number; with which of the path's it is.
    pub paths: FastMap<u32, (Arc<Path>, usize)>,
    /// Readable when the completion queue or the bell is.
    pub wait: Epoll,
    /// Last, so that it stops when nothing of the above is used any more.
    pub _connector: ConnectorThread,
}

impl RailReceiver for VerbsReceiver {
    fn receive(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) -> ReceiveReport {
        self.exchange.receiver.clear();
        self.adopt();
        let mut report = ReceiveReport::default();
        let mut count = self.take_batch(arena, now, into, &mut report);
        // While it is busy the channel stays readable, and nothing is armed. Before it sleeps it looks once more.
        for _ in 0..LOOKS {
            if count == self.polled.room() {
                break;
            }
            if self.completions.clear().and_then(|()| self.completions.arm()).is_err() {
                break;
            }
            count = self.take_batch(arena, now, into, &mut report);
            if count == 0 {
                break;
            }
        }
        report.more = count > 0;
        if report.more {
            // The channel may have been cleared: the thread comes back all the same.
            self.exchange.receiver.wake();
        }
        report.closed = !self.exchange.refused.is_empty() || !self.exchange.causes.is_empty();
        report
    }

    fn next_refusal(&mut self) -> Option<IpAddr> {
        self.exchange.refused.pop()
    }

    fn next_cause(&mut self) -> Option<Cause> {
        self.exchange.causes.pop()
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.wait.as_fd())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        None
    }
}

impl VerbsReceiver {
    /// Takes over the paths that were made, and forgets those that broke.
    fn adopt(&mut self) {
        while let Some(path) = self.exchange.for_receiver.pop() {
            for (lane, queue_pair) in path.queue_pairs.iter().enumerate() {
                let number = queue_pair.number();
                match path.broken.load(Ordering::Acquire) {
                    true => drop(self.paths.remove(&number)),
                    false => drop(self.paths.insert(number, (Arc::clone(&path), lane))),
                }
            }
            if path.broken.load(Ordering::Acquire) {
                self.exchange.finish(path);
            }
        }
    }

    fn take_batch(
        &mut self,
        arena: &mut Arena,
        now: Nanos,
        into: &mut Vec<Incoming>,
        report: &mut ReceiveReport,
    ) -> usize {
        let Ok(count) = self.completions.poll(&mut self.polled) else { return 0 };
        for at in 0..count {
            let completion = self.polled.get(at);
            let Some(mut buffer) = self.receives.take(&completion) else { continue };
            if let Some(from) = self.judge(&completion, now) {
                match arena.take() {
                    Some(slot) => {
                        arena.exchange(slot, &mut buffer);
                        into.push(Incoming { from, message: Piece::new(slot, 0..completion.length()) });
                    }
                    None => report.no_buffer += 1,
                }
            }
            self.post(buffer);
        }
        count
    }

    /// Whose message it is, if it is one to be passed on.
    fn judge(&mut self, completion: &Completion, now: Nanos) -> Option<IpAddr> {
        let Some((path, lane)) = self.paths.get(&completion.queue_pair()) else {
            // Of a path that broke: it counted for that.
            return None;
        };
        if let Err(error) = completion.result() {
            self.exchange.break_path(path, cause_of(error));
            return None;
        }
        let Some(told) = completion.immediate() else {
            self.exchange.break_path(path, Cause::RailCredit);
            return None;
        };
        if !path.hear(told) {
            self.exchange.break_path(path, Cause::RailCredit);
            return None;
        }
        path.heard.store(now, Ordering::Relaxed);
        path.ready.store(true, Ordering::Release);
        if completion.length() == 0 {
            return None;
        }
        path.taken[*lane].fetch_add(1, Ordering::Relaxed);
        if path.is_owed()
            && !path.owing.swap(true, Ordering::AcqRel)
            && self.exchange.owing.push(Arc::clone(path)).is_err()
        {
            path.owing.store(false, Ordering::Release);
        }
        Some(path.peer)
    }

    /// Gives a buffer to the hardware again.
    fn post(&mut self, buffer: Buffer) {
        let posted = match self.regions.of(&buffer) {
            Ok(region) => self.receives.post(region, buffer).map_err(|(_, error)| error),
            Err(error) => Err(error),
        };
        if let Err(error) = posted {
            tracing::error!(%error, "a receive buffer of an RDMA rail is lost");
        }
    }
}

/// The paths go before the connector does, which then is the last who has them.
impl Drop for VerbsReceiver {
    fn drop(&mut self) {
        self.paths.clear();
    }
}
