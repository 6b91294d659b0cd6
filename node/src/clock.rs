//! The one clock that deciding code is fed with: the datapath's, so that a lease means the same to both.

use std::time::Duration;

use twinrail_failover::Moment;

pub fn now() -> Moment {
    Moment::from_nanos(twinrail_datapath::monotonic_ns())
}

/// When tokio's timer must fire for this moment.
pub fn deadline(at: Moment) -> tokio::time::Instant {
    tokio::time::Instant::now() + at.since(now())
}

/// Fires at this moment; never, when there is none.
pub async fn sleep_until(at: Option<Moment>) {
    match at {
        // Timers round down to the millisecond: a hair later, so that the moment has certainly come.
        Some(at) => tokio::time::sleep_until(deadline(at) + Duration::from_micros(100)).await,
        None => std::future::pending().await,
    }
}
