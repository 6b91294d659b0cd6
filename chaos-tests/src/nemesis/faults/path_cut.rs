//! One server and one director do not reach each other; everybody else reaches both.

use anyhow::{Context, Result};

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct PathCut;

impl Fault for PathCut {
    fn name(&self) -> &'static str {
        "path-cut"
    }

    fn means(&self) -> &'static str {
        "one server and one director do not reach each other on either rail; everybody else reaches both"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        let servers = &world.lab.layout.servers;
        let index = usize::try_from(step.draw).unwrap_or_default() % servers.len();
        let server = servers.get(index).context("no server")?;
        world.lab.partition(&[&director], &[server])?;
        Ok(Struck::seen(format!("{server} and {director}"), Interruption::Failover))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.lab.heal()
    }
}
