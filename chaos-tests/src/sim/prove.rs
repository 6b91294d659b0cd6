//! Whether the simulator bites: for every deliberate bug, the first seed that finds it.

use std::time::{Duration, Instant};

use super::bugs::Bug;
use super::run::{Options, Outcome, run};

#[derive(Clone, Debug)]
pub struct Proof {
    pub bug: Bug,
    /// None: not within so many seeds.
    pub found: Option<Outcome>,
    pub seeds: u64,
    pub took: Duration,
}

/// Looks for the bug in so many seeds, from 1 on.
pub fn prove(bug: Bug, most: u64) -> Proof {
    let started = Instant::now();
    for seed in 1..=most {
        let outcome = run(&Options { seed, bug: Some(bug), kinds: bug.kinds(), ..Options::default() });
        if outcome.finding.is_some() {
            return Proof { bug, found: Some(outcome), seeds: seed, took: started.elapsed() };
        }
    }
    Proof { bug, found: None, seeds: most, took: started.elapsed() }
}
