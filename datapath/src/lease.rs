//! The right to carry, and the guard against a process that was stopped.
//!
//! A director carries only while its lease lives; the threads compare one deadline once a batch. A thread that finds that
//! it did not run for longer than [`STALL`] must assume that the world moved on meanwhile: what its sockets had
//! queued is dropped, and nothing is carried until a lease is granted that was *asked for* after that.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rail::Nanos;

/// Longest time between two turns of a thread that is taken for normal. The timer wakes it every hello interval; others
/// declare a director lost after 80 ms of silence at the earliest, so one that was away for less was not replaced.
pub const STALL: Nanos = 60_000_000;

/// A lease as the control plane got it, on this machine's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// When it was asked for: before the request was sent.
    pub asked_at: Nanos,
    pub until: Nanos,
}

/// Whoever renews it and the threads that check it share it.
#[derive(Debug, Default)]
pub struct Lease {
    until: AtomicU64,
    asked_at: AtomicU64,
    stalled_at: AtomicU64,
}

/// Why nothing is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    NoLease,
    Stalled,
}

impl Lease {
    /// A grant never shortens the lease: grants may arrive out of order.
    pub fn extend(&self, grant: Grant) {
        self.until.fetch_max(grant.until, Ordering::Relaxed);
        self.asked_at.fetch_max(grant.asked_at, Ordering::Release);
    }

    /// Gives the lease up at once.
    pub fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub fn stall(&self, now: Nanos) {
        self.stalled_at.fetch_max(now, Ordering::Relaxed);
    }

    /// When it ends unless it is extended.
    pub fn until(&self) -> Nanos {
        self.until.load(Ordering::Relaxed)
    }

    pub fn check(&self, now: Nanos) -> Result<(), Pause> {
        if self.asked_at.load(Ordering::Acquire) <= self.stalled_at.load(Ordering::Relaxed) {
            let stalled = self.stalled_at.load(Ordering::Relaxed) > 0;
            return Err(if stalled { Pause::Stalled } else { Pause::NoLease });
        }
        if now < self.until.load(Ordering::Relaxed) { Ok(()) } else { Err(Pause::NoLease) }
    }
}

/// Notices that its thread did not run for a while. Each thread has its own.
#[derive(Debug, Default)]
pub struct StallGuard {
    last_turn: Option<Nanos>,
    /// What the sockets hold may be from before the stall: true until they were seen empty.
    stale: bool,
}

impl StallGuard {
    /// A turn begins. Returns for how long the thread was away, when that was too long.
    pub fn begin(&mut self, now: Nanos) -> Option<Nanos> {
        let away = now.saturating_sub(self.last_turn.replace(now).unwrap_or(now));
        self.stale |= away > STALL;
        (away > STALL).then_some(away)
    }

    /// A turn ends; `drained`: nothing was left in any socket.
    pub fn finish(&mut self, drained: bool) {
        self.stale &= !drained;
    }

    pub fn is_stale(&self) -> bool {
        self.stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn it_ends_by_itself_and_never_shrinks() {
        let lease = Lease::default();
        assert_eq!(lease.check(1), Err(Pause::NoLease));
        lease.extend(Grant { asked_at: 1, until: 100 });
        lease.extend(Grant { asked_at: 0, until: 50 });
        assert_eq!((lease.check(99), lease.check(100)), (Ok(()), Err(Pause::NoLease)));
        lease.extend(Grant { asked_at: 90, until: 200 });
        assert_eq!(lease.check(150), Ok(()));
        lease.end();
        assert_eq!(lease.check(150), Err(Pause::NoLease));
    }

    #[test]
    fn after_a_stall_only_a_lease_asked_for_later_counts() {
        let lease = Lease::default();
        lease.extend(Grant { asked_at: 10, until: 1000 });
        lease.stall(500);
        assert_eq!(lease.check(501), Err(Pause::Stalled));
        lease.extend(Grant { asked_at: 499, until: 2000 });
        assert_eq!(lease.check(501), Err(Pause::Stalled), "asked for before the stall was noticed");
        lease.extend(Grant { asked_at: 501, until: 2001 });
        assert_eq!(lease.check(502), Ok(()));
    }

    #[test]
    fn what_was_queued_stays_stale_until_the_sockets_were_empty() {
        let mut guard = StallGuard::default();
        assert_eq!(guard.begin(5 * MS), None);
        assert_eq!(guard.begin(65 * MS), None);
        assert_eq!(guard.begin(126 * MS), Some(61 * MS));
        guard.finish(false);
        assert_eq!(guard.begin(127 * MS), None);
        assert!(guard.is_stale());
        guard.finish(true);
        assert!(!guard.is_stale());
    }
}
