//! While one director is being drained, another one loses its power: the third carries everything.

use anyhow::{Context, Result};

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct DrainAndLoss;

impl Fault for DrainAndLoss {
    fn name(&self) -> &'static str {
        "drain-and-loss"
    }

    fn means(&self) -> &'static str {
        "while one director is being drained, another one loses its power"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let drained = world.target(step)?;
        let others = world.others(&drained);
        let index = usize::try_from(step.draw).unwrap_or_default() % others.len();
        let lost = others.get(index).context("one director only")?.clone();
        world.obey(&format!("director drain {drained} --no-wait"))?;
        world.lab.power_cut(&lost)?;
        let whom = format!("{drained} drained, {lost} lost");
        Ok(Struck { away: vec![lost], ..Struck::seen(whom, Interruption::Failover) })
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        struck.away.iter().try_for_each(|name| world.lab.power_on(name))?;
        let drained = struck.whom.split(' ').next().unwrap_or_default();
        world.obey(&format!("director resume {drained}"))
    }
}
