//! What a run came to.

use std::fmt;

use super::load::Tally;
use super::model::Kind;
use crate::measure::clock::{Nanos, milliseconds};

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub stale: usize,
    pub lost: usize,
    pub torn: usize,
    /// Answers with an error.
    pub errors: u64,
    pub reads: u64,
    pub writes: u64,
    /// The longest time without an answer around each takeover, shortest first.
    pub gaps: Vec<Nanos>,
}

impl Verdict {
    pub fn new(tally: &Tally, mut gaps: Vec<Nanos>) -> Self {
        let count = |kind| tally.violations.iter().filter(|it| it.1.kind == kind).count();
        gaps.sort_unstable();
        Self {
            stale: count(Kind::Stale),
            lost: count(Kind::Lost),
            torn: count(Kind::Torn),
            errors: tally.errors,
            reads: tally.reads,
            writes: tally.writes,
            gaps,
        }
    }

    /// Nothing wrong was read, and the client saw no error.
    pub fn is_clean(&self) -> bool {
        (self.stale, self.lost, self.torn, self.errors) == (0, 0, 0, 0)
    }

    /// The gap that so many percent of the takeovers did not exceed; 0 without takeovers.
    pub fn gap(&self, percent: usize) -> Nanos {
        let rank = (self.gaps.len() * percent).div_ceil(100).max(1);
        self.gaps.get(rank - 1).copied().unwrap_or(0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stale, lost, torn, errors, reads, writes, gaps } = self;
        let [median, p99, longest] = [50, 99, 100].map(|percent| milliseconds(self.gap(percent)));
        write!(
            f,
            "stale {stale}, lost {lost}, torn {torn}, errors {errors}; {} takeovers, {reads} reads, {writes} writes; \
             gap ms: median {median}, p99 {p99}, max {longest}",
            gaps.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::clock::MILLISECOND;

    #[test]
    fn percentiles_are_of_the_takeovers() {
        let gaps = (1..=50).rev().map(|it| it * MILLISECOND).collect();
        let verdict = Verdict::new(&Tally::default(), gaps);
        assert_eq!([50, 99, 100].map(|it| verdict.gap(it) / MILLISECOND), [25, 50, 50]);
        assert_eq!(Verdict::new(&Tally::default(), Vec::new()).gap(99), 0);
        assert!(verdict.is_clean());
        assert!(!Verdict { errors: 1, ..verdict }.is_clean());
    }
}
