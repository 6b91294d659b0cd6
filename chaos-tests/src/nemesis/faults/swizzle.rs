//! Directors go one after the other, and come back one after the other in another order.

use std::time::Duration;

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::{World, wait};

/// Between one director and the next.
const STRIDE: Duration = Duration::from_millis(300);

pub struct Swizzle;

impl Swizzle {
    fn order(world: &World, seed: u64) -> Vec<String> {
        let mut names = world.directors();
        names.shuffle(&mut SmallRng::seed_from_u64(seed));
        names
    }
}

impl Fault for Swizzle {
    fn name(&self) -> &'static str {
        "swizzle"
    }

    fn means(&self) -> &'static str {
        "directors are killed one after the other, and started one after the other in another order"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let away = Self::order(world, step.draw);
        for name in &away {
            world.lab.kill(name)?;
            wait(STRIDE);
        }
        Ok(Struck { away, ..Struck::seen("all directors", Interruption::Outage) })
    }

    fn heal(&self, world: &mut World, step: &Step, _: &Struck) -> Result<()> {
        for name in Self::order(world, !step.draw) {
            world.lab.start(&name)?;
            wait(STRIDE);
        }
        Ok(())
    }
}
