//! An operator moves adapters from director to director.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::lab::storage::VHBA;
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Moves;

impl Fault for Moves {
    fn name(&self) -> &'static str {
        "move"
    }

    fn means(&self) -> &'static str {
        "an operator moves the disk's adapter and every network card to one director, and has them spread again"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.obey(&format!("vhba move {VHBA} --to {director}"))?;
        for vnic in &world.vnics {
            world.obey(&format!("vnic move {vnic} --to {director}"))?;
        }
        Ok(Struck::seen(format!("all to {director}"), Interruption::Planned))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.obey("cluster rebalance")
    }
}
