//! An operator empties a director, and later lets it carry again, while clients go on.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Drain;

impl Fault for Drain {
    fn name(&self) -> &'static str {
        "drain"
    }

    fn means(&self) -> &'static str {
        "an operator drains a director, resumes it, and has the cluster rebalanced"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.obey(&format!("director drain {director}"))?;
        Ok(Struck::seen(director, Interruption::Planned))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.obey(&format!("director resume {}", struck.whom))?;
        world.obey("cluster rebalance")
    }
}
