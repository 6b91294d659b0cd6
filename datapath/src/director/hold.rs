//! Frames towards a server that cannot take them yet: its profile is moving, or it has not said that it is ready for the
//! adapter's epoch. They wait in a bounded buffer, and go out in order when it is.
//!
//! ```text
//!            frames wait                  server ready for the epoch          frames pass
//!   closed ───────────────▶ closed, n ──────────────────────────────▶ open for this epoch
//!      ▲                                                                  │ hold, or another epoch
//!      └──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! While it is open nothing is locked: the threads look at one number.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twinrail_proto::domain::Epoch;

use crate::rail::Nanos;

/// Most frames that wait for one adapter: a device's queue is of this order. The oldest is dropped for the next.
const FRAMES: usize = 512;
/// Most octets that wait for one adapter: a full TCP window of a fast connection. The oldest frames are dropped.
const OCTETS: usize = 4 << 20;
/// Most octets that wait for all adapters of a director; when reached, new frames are dropped.
const ALL_OCTETS: u64 = 256 << 20;
/// Frames that waited longer are not worth sending: whoever sent them has sent them again.
const LONGEST_WAIT: Nanos = 2_000_000_000;

/// What all holds of a director have in memory together.
#[derive(Debug, Default)]
pub(crate) struct HoldBudget {
    octets: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Hold {
    /// The epoch for which the server is ready; [`CLOSED`]: for none.
    open_for: AtomicU64,
    /// When the server said last that it is ready.
    heard: AtomicU64,
    waiting: Mutex<Waiting>,
    budget: Arc<HoldBudget>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<(Nanos, Box<[u8]>)>,
    octets: usize,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It waits; so many older ones were dropped for it.
    Waits { dropped: u64 },
    /// There is no room for it.
    NoRoom,
    /// The server has become ready meanwhile: send it.
    Open,
}

/// No epoch: those of the state start at 0 and grow by one.
const CLOSED: u64 = u64::MAX;

impl Hold {
    pub fn new(budget: Arc<HoldBudget>) -> Self {
        Self { open_for: AtomicU64::new(CLOSED), heard: AtomicU64::new(0), waiting: Mutex::default(), budget }
    }

    pub fn is_open(&self, epoch: Epoch) -> bool {
        self.open_for.load(Ordering::Acquire) == epoch.0
    }

    /// The server said that it is ready.
    pub fn hear(&self, now: Nanos) {
        self.heard.store(now, Ordering::Relaxed);
    }

    /// When the server said last that it is ready, if it is for this epoch.
    pub fn heard_for(&self, epoch: Epoch) -> Option<Nanos> {
        self.is_open(epoch).then(|| self.heard.load(Ordering::Relaxed))
    }

    pub fn close(&self) {
        self.open_for.store(CLOSED, Ordering::Release);
    }

    pub fn is_empty(&self) -> bool {
        self.lock().frames.is_empty()
    }

    /// Keeps offload header and frame, given in two parts. `passing`: the table lets frames pass once the server is ready.
    pub fn keep(&self, epoch: Epoch, passing: bool, (head, rest): (&[u8], &[u8]), now: Nanos) -> Kept {
        let mut waiting = self.lock();
        if passing && self.is_open(epoch) {
            return Kept::Open;
        }
        let octets = head.len() + rest.len();
        let mut dropped = 0;
        while waiting.frames.len() >= FRAMES || waiting.octets + octets > OCTETS {
            self.take_oldest(&mut waiting);
            dropped += 1;
        }
        if self.budget.octets.load(Ordering::Relaxed) + octets as u64 > ALL_OCTETS {
            return Kept::NoRoom;
        }
        self.budget.octets.fetch_add(octets as u64, Ordering::Relaxed);
        waiting.octets += octets;
        waiting.frames.push_back((now, [head, rest].concat().into()));
        Kept::Waits { dropped }
    }

    /// The oldest frame, because the server is ready for this epoch; None: there is none left, and it is open from now
    /// on. Frames that waited too long are counted in `expired` and passed over.
    pub fn next_or_open(&self, epoch: Epoch, now: Nanos, expired: &mut u64) -> Option<Box<[u8]>> {
        let mut waiting = self.lock();
        while let Some((since, frame)) = self.take_oldest(&mut waiting) {
            if now.saturating_sub(since) <= LONGEST_WAIT {
                return Some(frame);
            }
            *expired += 1;
        }
        self.open_for.store(epoch.0, Ordering::Release);
        None
    }

    fn take_oldest(&self, waiting: &mut Waiting) -> Option<(Nanos, Box<[u8]>)> {
        let (since, frame) = waiting.frames.pop_front()?;
        waiting.octets -= frame.len();
        self.budget.octets.fetch_sub(frame.len() as u64, Ordering::Relaxed);
        Some((since, frame))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let octets = self.lock().octets;
        self.budget.octets.fetch_sub(octets as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch(4);

    fn hold() -> Hold {
        Hold::new(Arc::default())
    }

    fn drain(hold: &Hold, now: Nanos) -> (Vec<Vec<u8>>, u64) {
        let (mut frames, mut expired) = (Vec::new(), 0);
        while let Some(frame) = hold.next_or_open(EPOCH, now, &mut expired) {
            frames.push(frame.to_vec());
        }
        (frames, expired)
    }

    #[test]
    fn frames_wait_in_order_and_pass_when_it_is_open() {
        let hold = hold();
        for number in 0..3 {
            assert_eq!(hold.keep(EPOCH, true, (&[number], &[9]), 0), Kept::Waits { dropped: 0 });
        }
        assert_eq!(drain(&hold, 1), (vec![vec![0, 9], vec![1, 9], vec![2, 9]], 0));
        assert_eq!(hold.keep(EPOCH, true, (&[7], &[]), 1), Kept::Open);
        assert_eq!(hold.keep(EPOCH, false, (&[7], &[]), 1), Kept::Waits { dropped: 0 }, "the table says hold");
        assert_eq!(hold.keep(EPOCH.next(), true, (&[8], &[]), 1), Kept::Waits { dropped: 0 }, "another epoch");
        assert!(!hold.is_open(EPOCH.next()));
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let hold = hold();
        for number in 0..FRAMES as u32 {
            hold.keep(EPOCH, true, (&number.to_be_bytes(), &[]), 0);
        }
        assert_eq!(hold.keep(EPOCH, true, (&[1], &[]), 0), Kept::Waits { dropped: 1 });
        assert_eq!(drain(&hold, 0).0[0], 1u32.to_be_bytes());
        let large = vec![0; 3 << 20];
        hold.keep(EPOCH.next(), true, (&large, &[]), 0);
        assert_eq!(hold.keep(EPOCH.next(), true, (&large, &[]), 0), Kept::Waits { dropped: 1 });
    }

    #[test]
    fn frames_that_waited_too_long_expire() {
        let hold = hold();
        hold.keep(EPOCH, true, (&[1], &[]), 0);
        hold.keep(EPOCH, true, (&[2], &[]), LONGEST_WAIT);
        assert_eq!(drain(&hold, LONGEST_WAIT + 1), (vec![vec![2]], 1));
    }

    #[test]
    fn all_holds_share_one_budget_and_give_it_back() {
        let budget = Arc::<HoldBudget>::default();
        let large = vec![0; OCTETS];
        let holds: Vec<Hold> = (0..65).map(|_| Hold::new(Arc::clone(&budget))).collect();
        let kept: Vec<Kept> = holds.iter().map(|it| it.keep(EPOCH, true, (&large, &[]), 0)).collect();
        assert_eq!(kept.iter().filter(|&&it| it == Kept::NoRoom).count(), 1);
        drop(holds);
        assert_eq!(budget.octets.load(Ordering::Relaxed), 0);
    }
}
