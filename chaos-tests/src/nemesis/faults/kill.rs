//! A director's process is killed; its kernel lives and closes the connections.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Kill;

impl Fault for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn means(&self) -> &'static str {
        "SIGKILL to a director: its process is gone, its machine is there"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.kill(&director)?;
        Ok(Struck::lost(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.start(&struck.whom)
    }
}
