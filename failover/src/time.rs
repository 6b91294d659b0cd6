use std::ops::Add;
use std::time::Duration;

/// A point on *one machine's* monotonic clock: nanoseconds since an arbitrary start. Points of two machines are never
/// compared; what crosses machines is a [`Duration`] with a margin for drift (see [`crate::lease`]).
///
/// Sums stop at the end of the range (584 years): a far deadline stays far, it does not wrap into the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_and_sums_saturate() {
        let early = Moment::from_millis(5);
        let late = early + Duration::from_millis(7);
        assert_eq!(late, Moment::from_nanos(12_000_000));
        assert_eq!(late.since(early), Duration::from_millis(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early + Duration::MAX, Moment::from_nanos(u64::MAX));
    }
}
