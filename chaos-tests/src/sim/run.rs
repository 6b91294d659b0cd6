//! One run of one seed: its phases, and what came of it.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, AdminState, BindingPhase, Name, Profile};

use super::Finding;
use super::bugs::Bug;
use super::faults::{self, Fault};
use super::invariants::{FAILOVER_BOUND, SERVES};
use super::judge::Judge;
use super::network::Node;
use super::params::{FAILOVER_WITHIN, HEAL_WITHIN, Params, SAFETY, WARM_UP};
use super::queue::{MILLI, Nanos, SECOND};
use super::rng::{Rng, Stream};
use super::world::World;

/// How often a world is asked whether it serves.
const LOOK_EVERY: Nanos = 100 * MILLI;
/// After the last call: every director has applied everything.
const SETTLE: Nanos = 2 * SECOND;
/// Between the heal and the death of a home: nobody waits for directors that are coming back any more (`detector::Timing`).
const CALM: Nanos = 2 * SECOND;
/// Of a thousand worlds, in how many a minority stays dead.
const DEAD_MINORITY: u64 = 300;

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub seed: u64,
    pub bug: Option<Bug>,
    /// Instead of the one that the seed draws.
    pub schedule: Option<Vec<Fault>>,
    /// Only faults of these kinds are drawn.
    pub kinds: Vec<String>,
    /// Only this invariant counts.
    pub only: Option<&'static str>,
    /// What happened is written down.
    pub lines: bool,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub seed: u64,
    pub finding: Option<Finding>,
    /// Of everything that happened: the same for the same seed.
    pub trace: u64,
    pub schedule: Vec<Fault>,
    pub simulated: Nanos,
    pub events: u64,
    /// How often an invariant saw what it tolerates.
    pub tolerated: u64,
    /// After the faults, when everything served.
    pub healed: Option<Nanos>,
    /// How long it took until what a dead home had carried served again.
    pub failover: Option<Nanos>,
    pub lines: Vec<String>,
}

pub fn run(options: &Options) -> Outcome {
    let schedule = options.schedule.clone().unwrap_or_else(|| drawn_schedule(options));
    let judge = Judge::new(options.only, options.lines);
    let mut world = World::new(options.seed, options.bug, schedule.clone(), judge);
    let mut chance = Rng::new(options.seed ^ 0x5eed, Stream::Faults);
    let (mut healed, mut failover) = (None, None);
    if world.run_until(WARM_UP + SAFETY) {
        let dead = chance.permille(DEAD_MINORITY).then(|| director(&mut chance, &world));
        healed = heal(&mut world, dead);
        if healed.is_some() && dead.is_none() && world.run_until(world.ctx.now + CALM) {
            failover = fail_over(&mut world, &mut chance);
        }
        settle(&mut world);
    }
    let now = world.ctx.now;
    world.ctx.judge.finish(now);
    Outcome {
        seed: options.seed,
        finding: world.ctx.judge.finding.take(),
        trace: world.ctx.judge.trace(),
        schedule,
        simulated: now,
        events: world.events,
        tolerated: world.ctx.judge.tolerated(),
        healed,
        failover,
        lines: world.ctx.judge.take_lines(),
    }
}

/// The one that the seed draws.
fn drawn_schedule(options: &Options) -> Vec<Fault> {
    let params = Params::draw(&mut Rng::new(options.seed, Stream::World), true);
    faults::draw(&mut Rng::new(options.seed, Stream::Faults), &params, &options.kinds)
}

fn director(chance: &mut Rng, world: &World) -> Node {
    Node::Director(chance.below(world.directors.len() as u64) as u8)
}

/// Faults end. Returns how long it took until everything served; None: too long, or an invariant did not hold.
fn heal(world: &mut World, dead: Option<Node>) -> Option<Nanos> {
    world.calm_down(dead);
    let since = world.ctx.now;
    let mut missing = String::new();
    while world.ctx.now < since + HEAL_WITHIN {
        if !world.run_until(world.ctx.now + LOOK_EVERY) {
            return None;
        }
        world.enable_directors();
        match serves(world, since) {
            Ok(()) => return Some(world.ctx.now - since),
            Err(problem) => missing = problem,
        }
    }
    let detail = format!("{} s after the faults ended: {missing}", HEAL_WITHIN / SECOND);
    world.ctx.judge.found(world.ctx.now, SERVES, detail);
    None
}

/// Whether everything has served since then; or what has not.
fn serves(world: &World, since: Nanos) -> Result<(), String> {
    if let Some(client) = world.clients.iter().rev().skip(1).find(|it| it.wrote <= since) {
        return Err(format!("{} has not written", client.node()));
    }
    let mut directors = world.newest().state.directors().values();
    if let Some(it) = directors.find(|it| it.value.admin_state == AdminState::Drained) {
        return Err(format!("{} is still drained", it.value.name));
    }
    for profile in world.newest().state.profiles().values().map(|it| &it.value) {
        serves_profile(world, profile, since)?;
    }
    Ok(())
}

fn serves_profile(world: &World, profile: &Profile, since: Nanos) -> Result<(), String> {
    let Some(binding) = &profile.binding else { return Ok(()) };
    let name = &profile.name;
    if binding.phase != BindingPhase::Active {
        return Err(format!("profile {name} is still being released by {}", binding.server));
    }
    if let Some(vnic) = profile.vnics.values().find(|it| world.lan.answered.get(&it.id).is_none_or(|at| *at <= since)) {
        return Err(format!(
            "vNIC {} of {name} on {} does not answer; its home: {:?}",
            vnic.id, binding.server, vnic.home
        ));
    }
    let server = world.ctx.names.server(&binding.server).map(|it| &world.servers[usize::from(it)]);
    let acknowledged = |id: AdapterId| server.and_then(|it| it.acknowledged.get(&id)).copied().unwrap_or_default();
    if let Some(vhba) = profile.vhbas.values().find(|it| acknowledged(it.id) <= since) {
        return Err(format!(
            "vHBA {} of {name} on {} does not serve; its home: {:?}",
            vhba.id, binding.server, vhba.home
        ));
    }
    Ok(())
}

/// A home loses its power in the calm. Returns how long its vNICs did not answer.
fn fail_over(world: &mut World, chance: &mut Rng) -> Option<Nanos> {
    let carried = carried(world);
    let homes: Vec<&Name> = carried.keys().collect();
    if homes.is_empty() {
        return None;
    }
    let home = (*chance.pick(&homes)).clone();
    let node = Node::Director(world.ctx.names.director(&home)?);
    world.stop(node, true);
    let since = world.ctx.now;
    while world.ctx.now < since + FAILOVER_WITHIN {
        if !world.run_until(world.ctx.now + TICK) {
            return None;
        }
        let answered = |it: &AdapterId| world.lan.answered.get(it).is_some_and(|at| *at > since + MILLI);
        if carried[&home].iter().all(answered) {
            world.start(node);
            return Some(world.ctx.now - since);
        }
    }
    let detail = format!("{} ms after {home} lost its power not all of its vNICs answer", FAILOVER_WITHIN / MILLI);
    world.ctx.judge.found(world.ctx.now, FAILOVER_BOUND, detail);
    None
}

/// How often a failover is looked at.
const TICK: Nanos = 10 * MILLI;

/// The bound vNICs of each home.
fn carried(world: &World) -> BTreeMap<Name, Vec<AdapterId>> {
    let mut carried: BTreeMap<Name, Vec<AdapterId>> = BTreeMap::new();
    for profile in world.newest().state.profiles().values().filter(|it| it.value.binding.is_some()) {
        for vnic in profile.value.vnics.values() {
            if let Some(home) = &vnic.home.director {
                carried.entry(home.clone()).or_default().push(vnic.id);
            }
        }
    }
    carried
}

/// Nobody asks for anything any more: all directors that run come to the same state.
fn settle(world: &mut World) {
    if world.ctx.judge.finding.is_some() {
        return;
    }
    world.clients.iter_mut().for_each(|it| it.rests = true);
    if !world.run_until(world.ctx.now + SETTLE) {
        return;
    }
    let running: Vec<(u64, u64)> =
        world.directors.iter().filter(|it| it.runs).map(|it| (it.applied, it.hash())).collect();
    if running.iter().any(|it| *it != running[0]) {
        let detail = format!("at the end the running directors have (index, hash): {running:x?}");
        world.ctx.judge.found(world.ctx.now, "convergence", detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_without_faults_serves() {
        let outcome = run(&Options { seed: 1, schedule: Some(Vec::new()), ..Options::default() });
        assert_eq!(outcome.finding, None);
        assert!(outcome.healed.is_some());
    }
}
