//! All directors lose their power at once.

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct PowerCutAll;

impl Fault for PowerCutAll {
    fn name(&self) -> &'static str {
        "power-cut-all"
    }

    fn means(&self) -> &'static str {
        "all directors lose their power at once, and start in a random order"
    }

    fn inflict(&self, world: &mut World, _: &Step) -> Result<Struck> {
        let away = world.directors();
        away.iter().try_for_each(|name| world.lab.power_cut(name).map(drop))?;
        Ok(Struck { away, ..Struck::seen("all directors", Interruption::Outage) })
    }

    fn heal(&self, world: &mut World, step: &Step, _: &Struck) -> Result<()> {
        let mut names = world.directors();
        names.shuffle(&mut SmallRng::seed_from_u64(step.draw));
        names.iter().try_for_each(|name| world.lab.power_on(name))
    }
}
