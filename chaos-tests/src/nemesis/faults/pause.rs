//! A director hangs, and wakes up much later with all that it was about to do.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Pause;

impl Fault for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn means(&self) -> &'static str {
        "SIGSTOP to a director, and SIGCONT much later: it wakes up with all that it was about to do"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.pause(&director)?;
        Ok(Struck::lost(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.resume(&struck.whom)
    }
}
