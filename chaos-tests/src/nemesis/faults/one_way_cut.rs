//! A director hears everybody and nobody hears it, or the other way round.

use anyhow::Result;

use super::{Fault, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::{World, borrowed};

pub struct OneWayCut;

impl Fault for OneWayCut {
    fn name(&self) -> &'static str {
        "one-way-cut"
    }

    fn means(&self) -> &'static str {
        "a director hears everybody on the rails and is heard by nobody, or the other way round"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        let rest = [world.others(&director), world.lab.layout.servers.clone()].concat();
        let (one, rest) = ([director.as_str()], borrowed(&rest));
        let mute = step.draw.is_multiple_of(2);
        let way: (&[&str], &[&str]) = if mute { (&one, &rest) } else { (&rest, &one) };
        world.lab.cut_ways(&[way])?;
        Ok(Struck::cut_off(&director))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.lab.heal()
    }
}
