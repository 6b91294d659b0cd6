//! An operator gives the leadership to another director.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Transfer;

impl Fault for Transfer {
    fn name(&self) -> &'static str {
        "transfer-leadership"
    }

    fn means(&self) -> &'static str {
        "an operator has another director lead, twice in a row"
    }

    fn inflict(&self, world: &mut World, _: &Step) -> Result<Struck> {
        let leader = world.leader()?;
        world.obey("director transfer-leadership")?;
        Ok(Struck::seen(format!("from {leader}"), Interruption::Planned))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.obey("director transfer-leadership")
    }
}
