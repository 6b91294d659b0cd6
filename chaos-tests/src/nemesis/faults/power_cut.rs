//! A director's machine loses its power: nobody says goodbye for it.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct PowerCut;

impl Fault for PowerCut {
    fn name(&self) -> &'static str {
        "power-cut"
    }

    fn means(&self) -> &'static str {
        "a director loses its power: links down, then SIGKILL; it starts again with what it has on disk"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.power_cut(&director)?;
        Ok(Struck::lost(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.power_on(&struck.whom)
    }
}
