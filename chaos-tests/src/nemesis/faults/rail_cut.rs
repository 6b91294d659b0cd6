//! One of the two rails is down for everybody.

use anyhow::Result;
use twinrail_proto::domain::Rail;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct RailCut;

/// The rail that a step is about.
pub fn rail(step: &Step) -> Rail {
    if step.draw.is_multiple_of(2) { Rail::A } else { Rail::B }
}

impl Fault for RailCut {
    fn name(&self) -> &'static str {
        "rail-cut"
    }

    fn means(&self) -> &'static str {
        "one of the two rails is down for every machine"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        world.lab.cut_rail(rail(step))?;
        Ok(Struck::seen(format!("rail {}", rail(step)), Interruption::Planned))
    }

    fn heal(&self, world: &mut World, step: &Step, _: &Struck) -> Result<()> {
        world.lab.restore_rail(rail(step))
    }
}
