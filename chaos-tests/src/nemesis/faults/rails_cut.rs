//! A director loses both rails, and keeps its ports on the LAN and the SAN: the worst to fence.

use anyhow::Result;
use twinrail_proto::domain::Rail;

use super::{Fault, Struck};
use crate::lab::Segment;
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct RailsCut;

impl Fault for RailsCut {
    fn name(&self) -> &'static str {
        "rails-cut"
    }

    fn means(&self) -> &'static str {
        "a director loses both rails and still reaches the LAN and the disk array: the worst one to fence"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        Rail::ALL.iter().try_for_each(|it| world.lab.cut_cable(&director, Segment::Rail(*it)).map(drop))?;
        Ok(Struck::cut_off(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        world.lab.reconnect(&struck.whom)
    }
}
