//! A director is taken out of the cluster for good and replaced by a new one with an empty disk, while clients go on.

use std::path::Path;

use anyhow::{Context, Result};
use twinrail_proto::domain::Rail;

use super::{Fault, Interruption, Struck};
use crate::lab::config::API_PORT;
use crate::lab::storage::{SAN, TARGET};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

pub struct Membership;

impl Fault for Membership {
    fn name(&self) -> &'static str {
        "membership"
    }

    fn means(&self) -> &'static str {
        "a director is drained and removed from the cluster, loses its disk, and joins anew under another id"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        world.obey(&format!("director drain {director}"))?;
        // From here on it is not asked: what it answers when it was removed is nobody's business.
        world.set_away(std::slice::from_ref(&director));
        world.obey(&format!("director remove {director}"))?;
        world.lab.kill(&director)?;
        empty(&world.lab.run_dir().join(&director))?;
        Ok(Struck { away: vec![director.clone()], ..Struck::seen(director, Interruption::Planned) })
    }

    fn heal(&self, world: &mut World, _: &Step, struck: &Struck) -> Result<()> {
        let (director, id) = (&struck.whom, world.fresh_id()?);
        let kind = world.lab.machine(director)?.kind;
        let address = |rail| kind.rail_address(rail).context("the director is not on both rails");
        let (a, b) = (address(Rail::A)?, address(Rail::B)?);
        world.obey(&format!("director add {director} --id {id} --rail-a {a} --rail-b {b} --api {a}:{API_PORT}"))?;
        world.lab.launch(director)?.joins_as = Some(id);
        world.lab.start(director)?;
        // Its uplinks went with it.
        world.obey(&format!("lan update prod --uplink {director}=lan0"))?;
        world.obey(&format!("san update {SAN} --uplink {director}={}", world.array.uri(TARGET)))
    }
}

/// The folder stays: it may be a disk of its own.
fn empty(folder: &Path) -> Result<()> {
    let failed = || format!("could not empty {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        gone.with_context(failed)?;
    }
    Ok(())
}
