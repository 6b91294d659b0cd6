//! A director's port on the LAN has no link.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::lab::Segment;
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct UplinkCut;

impl Fault for UplinkCut {
    fn name(&self) -> &'static str {
        "uplink-cut"
    }

    fn means(&self) -> &'static str {
        "a director's port on the LAN has no link; its rails are well"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.cut_cable(&director, Segment::Lan)?;
        Ok(Struck::seen(director, Interruption::Failover))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.restore_cable(&struck.whom, Segment::Lan)
    }
}
