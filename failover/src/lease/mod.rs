//! The lease: for how long a director may carry its adapters without hearing from a quorum, seen from both sides.
//!
//! ```text
//!   holder (its clock)                                      grantor = the leader (its clock)
//!      t0  on_request ──────── Request{sequence} ───────────▶  quorum round (ReadIndex)
//!       │                                                      on_granted(director, t1)
//!       │◀──────────── Grant{sequence, commit} ───────────────  send
//!       │  on_grant: may carry until t0 + lease                │
//!       ├───────────── lease ─────────────┤ stops by itself    │
//!                                         │                    ├──────── lease × 1.1 ────────┤ certainly ended
//! ```
//!
//! Guarantees:
//! * A holder stops at `t0 + lease`, where t0 is when it *asked*: how long request, quorum round and answer took, and
//!   how long any of them was stuck, only shortens what it gets.
//! * [`Grantor::certainly_ended`] says yes only when every lease that this leader, or any leader before it, can have
//!   given to that director is over, as long as no clock runs more than [`DRIFT_MARGIN_PERCENT`] faster than another.
//! * An older leader cannot spoil this. It grants only what a quorum round confirmed *after* the request came, and that
//!   round ended before a quorum elected the new leader; so the request was sent before the election, and a full wait
//!   from the election covers it, however late the grant itself arrives.
//! * After its lease ran out (or after its start) a holder carries again only when it has applied everything that was
//!   committed when the first new grant was given: a director that comes back does not act on what it knew before.
//!
//! The caller's clock must go on while the machine sleeps (CLOCK_BOOTTIME on Linux): a lease is a promise about real
//! time.

mod grantor;
mod holder;

use std::time::Duration;

pub use grantor::Grantor;
pub use holder::{GrantError, Holder, Request};

/// How long a grant lets a director carry. Long enough for a leader election and several lost renewals (a
/// request goes every [`RENEW_EVERY`]); short enough that a move away from a dead director waits less than two seconds.
pub const LEASE: Duration = Duration::from_millis(1500);

/// How often a holder asks: fifteen requests a lease, so that a lost one, or a disk that stalls, costs nothing.
pub const RENEW_EVERY: Duration = Duration::from_millis(100);

/// By how much one machine's clock may run faster than another's. Quartz drifts by 0.01 % and NTP slews by 0.05 %; the
/// rest is for virtual machines whose clock is corrected in bursts. It costs 150 ms of waiting where a wait is needed at all.
pub const DRIFT_MARGIN_PERCENT: u32 = 10;

/// What a grantor waits for a lease of `lease` to be over on any clock within the margin. The last nanosecond makes good
/// for the division, which rounds down.
pub fn grantor_wait(lease: Duration) -> Duration {
    lease * (100 + DRIFT_MARGIN_PERCENT) / 100 + Duration::from_nanos(1)
}
