//! All cables of a director are out; it runs.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct CutOff;

impl Fault for CutOff {
    fn name(&self) -> &'static str {
        "cut-off"
    }

    fn means(&self) -> &'static str {
        "all cables of a director are out: rails, LAN and SAN; it goes on running"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.lab.cut_off(&director)?;
        Ok(Struck::cut_off(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.reconnect(&struck.whom)
    }
}
