//! The directors do not all reach each other; servers reach all of them.
//!
//! ```text
//!   minority      ring                            bridge
//!   a | b c       each hears only its neighbour   a ── b ── c: the two ends do not reach each other
//! ```
//!
//! With five directors or more, the ring is the majorities' one: each reaches its neighbours on both sides, so everybody sees a
//! majority and no two see the same. With three there is no such ring, and each hears only the one before it.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::{World, borrowed};

#[derive(Clone, Copy)]
enum Shape {
    Minority,
    Ring,
    Bridge,
}

pub struct Partition(Shape);

pub const MINORITY: Partition = Partition(Shape::Minority);
pub const RING: Partition = Partition(Shape::Ring);
pub const BRIDGE: Partition = Partition(Shape::Bridge);

/// Who does not reach whom.
type Ways = Vec<(Vec<String>, Vec<String>)>;

impl Partition {
    /// The first of the names is whom the step is about.
    fn ways(&self, names: &[String]) -> Ways {
        match self.0 {
            Shape::Minority => {
                let (few, many) = names.split_at((names.len() - 1) / 2);
                both(few, many)
            }
            Shape::Bridge => {
                let (left, right) = names[1..].split_at((names.len() - 1) / 2);
                both(left, right)
            }
            Shape::Ring => ring(names),
        }
    }

    fn struck(&self, names: &[String]) -> Struck {
        let all = || names.join(", ");
        match self.0 {
            Shape::Minority => {
                let few = names[..(names.len() - 1) / 2].to_vec();
                let whom = few.join(", ");
                Struck { away: few.clone(), cut_off: few, ..Struck::seen(whom, Interruption::Failover) }
            }
            Shape::Bridge => Struck::seen(format!("{} in the middle", names[0]), Interruption::Outage),
            Shape::Ring => Struck { away: names.to_vec(), ..Struck::seen(all(), Interruption::Outage) },
        }
    }
}

fn both(these: &[String], those: &[String]) -> Ways {
    vec![(these.to_vec(), those.to_vec()), (those.to_vec(), these.to_vec())]
}

/// Each name and those that it does not reach.
fn ring(names: &[String]) -> Ways {
    let count = names.len();
    let reaches = |from: usize, to: usize| {
        let ahead = (to + count - from) % count;
        ahead == 1 || (count >= 5 && ahead == count - 1)
    };
    let unreached = |from: usize| {
        let others = (0..count).filter(|to| *to != from && !reaches(from, *to));
        (vec![names[from].clone()], others.map(|to| names[to].clone()).collect())
    };
    (0..count).map(unreached).collect()
}

impl Fault for Partition {
    fn name(&self) -> &'static str {
        match self.0 {
            Shape::Minority => "partition-minority",
            Shape::Ring => "partition-ring",
            Shape::Bridge => "partition-bridge",
        }
    }

    fn means(&self) -> &'static str {
        match self.0 {
            Shape::Minority => "fewer than half of the directors are cut off from the others; servers reach all",
            Shape::Ring => "directors hear each other only along a ring; servers reach all",
            Shape::Bridge => "the directors are in two halves, and one that both halves reach is between them",
        }
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        let names = [vec![director.clone()], world.others(&director)].concat();
        let ways = self.ways(&names);
        let ways: Vec<(Vec<&str>, Vec<&str>)> = ways.iter().map(|(a, b)| (borrowed(a), borrowed(b))).collect();
        let ways: Vec<(&[&str], &[&str])> = ways.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
        world.lab.cut_ways(&ways)?;
        Ok(self.struck(&names))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.lab.heal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|it| format!("d{it}")).collect()
    }

    #[test]
    fn a_ring_of_three_is_heard_in_one_direction_alone() {
        let ways = RING.ways(&names(3));
        let told: Vec<String> = ways.iter().map(|(a, b)| format!("{} not {}", a.join(","), b.join(","))).collect();
        assert_eq!(told, ["d1 not d3", "d2 not d1", "d3 not d2"]);
    }

    #[test]
    fn a_ring_of_five_leaves_everybody_a_majority_and_no_two_the_same() {
        for (from, unreached) in RING.ways(&names(5)) {
            assert_eq!(unreached.len(), 2, "{from:?}");
        }
    }

    #[test]
    fn a_bridge_reaches_both_halves() {
        for (one, other) in BRIDGE.ways(&names(5)) {
            assert!(
                (one.len(), other.len()) == (2, 2) && !one.concat().contains("d1") && !other.concat().contains("d1")
            );
        }
    }
}
