//! A director's disk says that it could not make something durable. What it holds then nobody knows: the director must stop.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct FsyncError;

impl Fault for FsyncError {
    fn name(&self) -> &'static str {
        "fsync-error"
    }

    fn means(&self) -> &'static str {
        "fsync gives EIO to a director: it must stop, because nobody knows what its disk holds"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.sick(&director)?.break_disk()?;
        Ok(Struck::disk_failed(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.sick(&struck.whom)?.mend_disk()?;
        world.revive(&struck.whom).map(drop)
    }
}
