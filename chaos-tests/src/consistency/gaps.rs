//! When nothing was answered: the time between two answers that came one after the other.

use crate::measure::clock::{MILLISECOND, Nanos};

/// Shorter ones are not kept: a busy machine makes them by itself.
const KEPT: Nanos = 5 * MILLISECOND;

#[derive(Clone, Debug, Default)]
pub struct Gaps {
    last: Option<Nanos>,
    kept: Vec<(Nanos, Nanos)>,
}

impl Gaps {
    pub fn on_answer(&mut self, now: Nanos) {
        if let Some(last) = self.last.filter(|last| now.saturating_sub(*last) >= KEPT) {
            self.kept.push((last, now));
        }
        self.last = Some(now);
    }

    /// All that were kept, in their order.
    pub fn all(&self) -> &[(Nanos, Nanos)] {
        &self.kept
    }

    /// The longest gap that overlaps a stretch of time; 0 where there was none to keep.
    pub fn longest(&self, from: Nanos, to: Nanos) -> Nanos {
        let overlapping = self.kept.iter().filter(|(start, end)| *start < to && *end > from);
        overlapping.map(|(start, end)| end - start).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_that_overlaps_counts() {
        let mut gaps = Gaps::default();
        for at in [0, 1, 100, 101, 400, 403, 1_000] {
            gaps.on_answer(at * MILLISECOND);
        }
        assert_eq!(gaps.longest(0, 50 * MILLISECOND), 99 * MILLISECOND);
        assert_eq!(gaps.longest(50 * MILLISECOND, 450 * MILLISECOND), 597 * MILLISECOND);
        assert_eq!(gaps.longest(101 * MILLISECOND, 400 * MILLISECOND), 299 * MILLISECOND);
        assert_eq!(gaps.longest(400 * MILLISECOND, 402 * MILLISECOND), 0);
    }
}
