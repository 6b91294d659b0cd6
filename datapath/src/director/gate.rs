use std::sync::Arc;

use crate::Cause;
use crate::clock::Clock;
use crate::lease::{Lease, Pause, STALL, StallGuard};
use crate::rail::Nanos;

/// Whether a thread of a director may carry frames in this turn.
pub(super) struct Gate {
    lease: Arc<Lease>,
    guard: StallGuard,
    clock: Clock,
    closed: Option<Cause>,
    now: Nanos,
}

impl Gate {
    pub fn new(lease: Arc<Lease>, clock: Clock) -> Self {
        Self { lease, guard: StallGuard::default(), clock, closed: Some(Cause::LeaseExpired), now: 0 }
    }

    /// A turn begins. Returns for how long the thread was stopped, when it was.
    pub fn begin(&mut self, now: Nanos) -> Option<Nanos> {
        self.now = now;
        let away = self.guard.begin(now);
        if away.is_some() {
            self.lease.stall(now);
        }
        self.closed = match self.lease.check(now) {
            _ if self.guard.is_stale() => Some(Cause::Stalled),
            Ok(()) => None,
            Err(Pause::Stalled) => Some(Cause::Stalled),
            Err(Pause::NoLease) => Some(Cause::LeaseExpired),
        };
        away
    }

    pub fn finish(&mut self, drained: bool) {
        self.guard.finish(drained);
    }

    /// Why nothing may be carried in this turn; None: carry.
    pub fn closed(&self) -> Option<Cause> {
        self.closed
    }

    /// Looks at the clock once more, right before frames go out to the LAN: the process may have been stopped since the
    /// turn began. Gives the time, or why the frames must not go.
    pub fn check_again(&mut self) -> Result<Nanos, Cause> {
        let now = self.clock.now();
        if now.saturating_sub(self.now) > STALL {
            self.lease.stall(now);
            self.closed = Some(Cause::Stalled);
        }
        self.closed.map_or(Ok(now), Err)
    }
}
