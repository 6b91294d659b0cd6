//! How large a world is, and what its storage is like: drawn from the seed before anything happens.

use super::queue::{MILLI, Nanos, SECOND};
use super::rng::Rng;

/// How long faults may come.
pub const SAFETY: Nanos = 14 * SECOND;
/// Before the first fault: the cluster starts.
pub const WARM_UP: Nanos = 3 * SECOND;
/// After the faults everything must serve again within this: `takeover::FINISH_WITHIN` for a vHBA that is let go, the gathering
/// of directors, a lease's end and an election, one after the other, and some more.
pub const HEAL_WITHIN: Nanos = 12 * SECOND;
/// A home that dies in a calm cluster is replaced, and what was its own serves again, within this: 80 ms of detection, an
/// election if it led (disks stall for 50 ms now and then), a commit, an announcement; vHBAs are not in it.
pub const FAILOVER_WITHIN: Nanos = 1500 * MILLI;
/// How long a released identity rests, in seconds of the state's own time.
pub const QUARANTINE_SECONDS: u64 = 6;

#[derive(Clone, Debug)]
pub struct Params {
    pub directors: u8,
    pub spares: u8,
    pub witnesses: u8,
    pub servers: u8,
    pub profiles: u8,
    /// Of a thousand writes of the array, how many are slow; a fault makes it more.
    pub slow_writes: u64,
    /// The array answers a login only when the former session's writes have ended.
    pub login_waits: bool,
    pub quarantine_seconds: u64,
}

impl Params {
    pub fn draw(rng: &mut Rng, mac_rests: bool) -> Self {
        let (directors, spares, witnesses) =
            *rng.pick(&[(3, 0, 0), (3, 0, 0), (3, 0, 0), (3, 0, 1), (5, 1, 1), (4, 1, 0)]);
        Self {
            directors,
            spares,
            witnesses,
            servers: rng.between(2, 3) as u8,
            profiles: rng.between(3, 5) as u8,
            slow_writes: rng.between(5, 40),
            login_waits: rng.permille(200),
            quarantine_seconds: if mac_rests { QUARANTINE_SECONDS } else { 0 },
        }
    }
}
