//! CLOCK_MONOTONIC as a number: the same in every process of the machine, in every namespace.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CLOCK_MONOTONIC.
pub type Nanos = u64;

pub const MILLISECOND: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000 * MILLISECOND;

pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    // Time since boot: neither part is ever negative.
    time.tv_sec.cast_unsigned() * SECOND + time.tv_nsec.cast_unsigned()
}

/// For people: with a tenth of a millisecond.
pub fn milliseconds(nanos: Nanos) -> f64 {
    (nanos / 100_000) as f64 / 10.0
}

pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
