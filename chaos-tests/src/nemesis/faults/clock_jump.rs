//! A director's wall clock jumps while it runs. The monotonic clock does not: the kernel lets nobody set it.

use anyhow::Result;

use super::{Fault, Interruption, Struck};
use crate::nemesis::schedule::Step;
use crate::nemesis::world::World;

/// In seconds: small and large, ahead and back, and a day.
const JUMPS: [i64; 6] = [1, -1, 90, -90, -3_600, 86_400];

pub struct ClockJump;

impl Fault for ClockJump {
    fn name(&self) -> &'static str {
        "clock-jump"
    }

    fn means(&self) -> &'static str {
        "a director's wall clock jumps by a second to a day, ahead or back, and back again"
    }

    fn inflict(&self, world: &mut World, step: &Step) -> Result<Struck> {
        let director = world.target(step)?;
        let jump = JUMPS[usize::try_from(step.draw).unwrap_or_default() % JUMPS.len()];
        world.sick(&director)?.set_clock(jump)?;
        Ok(Struck::seen(format!("{director} by {jump} s"), Interruption::Planned))
    }

    fn heal(&self, world: &mut World, _: &Step, _: &Struck) -> Result<()> {
        world.sick.values().try_for_each(|it| it.set_clock(0))
    }
}
