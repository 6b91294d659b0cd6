//! What a machine takes for the time. Its monotonic clock starts anywhere and runs a little fast or slow, within the margin
//! that leases allow for; its wall clock jumps besides.

use twinrail_failover::Moment;
use twinrail_proto::domain::UnixMillis;

use super::queue::{MILLI, Nanos};
use super::rng::Rng;

/// Of a million, by which a clock is fast or slow at most: two clocks are then within the 10 % of `lease::DRIFT_MARGIN_PERCENT`.
const MAX_DRIFT: u64 = 45_000;

/// Where all wall clocks begin.
const EPOCH: i64 = 1_790_000_000_000;

#[derive(Clone, Debug)]
pub struct Clock {
    start: Nanos,
    drift: i64,
    jumped_ms: i64,
}

impl Clock {
    /// Most clocks are good; one in three drifts badly.
    pub fn draw(rng: &mut Rng) -> Self {
        let most = if rng.permille(333) { MAX_DRIFT } else { 200 };
        let drift = rng.between(0, 2 * most) as i64 - most as i64;
        Self { start: rng.between(1, 1 << 40), drift, jumped_ms: 0 }
    }

    pub fn moment(&self, now: Nanos) -> Moment {
        Moment::from_nanos(self.start + self.elapsed(now))
    }

    pub fn wall(&self, now: Nanos) -> UnixMillis {
        (EPOCH + (self.elapsed(now) / MILLI) as i64 + self.jumped_ms).max(0) as UnixMillis
    }

    /// The true time at which this clock shows `moment`, rounded up.
    pub fn true_time(&self, moment: Moment) -> Nanos {
        let elapsed = i128::from(moment.as_nanos().saturating_sub(self.start));
        (elapsed * 1_000_000 / i128::from(1_000_000 + self.drift)) as Nanos + 1
    }

    pub fn jump(&mut self, by_ms: i64) {
        self.jumped_ms += by_ms;
    }

    fn elapsed(&self, now: Nanos) -> Nanos {
        (i128::from(now) * i128::from(1_000_000 + self.drift) / 1_000_000) as Nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Stream;

    #[test]
    fn true_time_undoes_moment_and_a_jump_moves_the_wall_alone() {
        let mut clock = Clock::draw(&mut Rng::new(3, Stream::World));
        let now = 123_456_789_012;
        let (moment, wall) = (clock.moment(now), clock.wall(now));
        assert!(clock.true_time(moment).abs_diff(now) <= 2);
        clock.jump(-5000);
        assert_eq!((clock.moment(now), clock.wall(now)), (moment, wall - 5000));
    }
}
