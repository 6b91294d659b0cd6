//! One director runs an older build of the program for a while, beside the others.

use anyhow::Result;

use super::{Fault, Means, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::{World, wait};

pub struct OldVersion;

impl Fault for OldVersion {
    fn name(&self) -> &'static str {
        "old-version"
    }

    fn means(&self) -> &'static str {
        "a director is restarted with an older build of the program, and later with the present one again"
    }

    fn lacks(&self, means: &Means) -> Option<&'static str> {
        means.old_program.is_none().then_some("an older build: give its path with --old-binary")
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.launch(&director)?.program = world.old_program.clone();
        world.lab.stop(&director)?;
        world.lab.start(&director)?;
        wait(step.hold);
        Ok(Struck::lost(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.launch(&struck.whom)?.program = None;
        if world.lab.is_running(&struck.whom)? {
            world.lab.stop(&struck.whom)?;
        }
        world.lab.start(&struck.whom)
    }
}
