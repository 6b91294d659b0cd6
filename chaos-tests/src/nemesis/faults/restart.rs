//! An operator restarts a director: it ends in order, and comes back.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Restart;

impl Fault for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn means(&self) -> &'static str {
        "SIGTERM to a director: it ends in order, and is started again"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.stop(&director)?;
        Ok(Struck::lost(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.start(&struck.whom)
    }
}
