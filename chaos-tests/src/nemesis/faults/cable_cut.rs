//! One machine loses one of its two cables.

use anyhow::{Context, Result};

use super::rail_cut::rail;
use super::{Fault, Interruption, Struck};
use crate::lab::Segment;
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct CableCut;

impl Fault for CableCut {
    fn name(&self) -> &'static str {
        "cable-cut"
    }

    fn means(&self) -> &'static str {
        "one director or server loses one of its two rail cables"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let machines = [world.directors(), world.lab.layout.servers.clone()].concat();
        let index = usize::try_from(step.draw / 2).unwrap_or_default() % machines.len();
        let machine = machines.get(index).context("no machine")?;
        world.lab.cut_cable(machine, Segment::Rail(rail(step)))?;
        Ok(Struck::seen(machine, Interruption::Planned))
    }

    fn heal(&self, world: &mut World, step: &Step, struck: &Struck) -> Result<()> {
        world.lab.restore_cable(&struck.whom, Segment::Rail(rail(step)))
    }
}
