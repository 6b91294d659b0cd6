//! A simulated server: its agent decides by the product's code, and what glues it follows `node/src/agent`. Its vNICs send and
//! answer, its vHBAs' initiators write and read.

mod initiator;
mod traffic;

use std::collections::BTreeMap;

use twinrail_failover::agent::{Agent, Effect, Memory, Route};
use twinrail_proto::domain::{AdapterId, Name, Rail, Revision};

use super::clock::Clock;
use super::context::{Context, Event};
use super::disk::{Disk, Stored};
use super::message::{Assigned, Device, Message, Said};
use super::network::Node;
use super::observation::Observation;
use super::queue::{MILLI, Nanos};
use super::rng::{Rng, Stream};
use initiator::Initiator;
use traffic::Vnic;

pub const TICK: Nanos = 10 * MILLI;

/// The file of the agent's memory: replaced whole, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Kept(pub Memory);

impl Stored for Kept {
    type Write = Memory;

    fn write(&mut self, write: &Memory) {
        self.0 = write.clone();
    }

    fn torn(_: &Memory, _: &mut Rng) -> Option<Memory> {
        None
    }
}

/// Releases that may be acknowledged when what was to be written before is on the disk.
type Releases = Vec<(Name, Revision)>;

#[derive(Debug)]
pub struct Server {
    pub me: u8,
    pub clock: Clock,
    pub disk: Disk<Kept, Releases>,
    pub runs: bool,
    pub life: u32,
    agent: Agent,
    devices: BTreeMap<AdapterId, Device>,
    /// What the datapath follows.
    table: BTreeMap<AdapterId, Route>,
    attached: [Option<u64>; 8],
    up: [[bool; 2]; 8],
    released: BTreeMap<Name, Revision>,
    vnics: BTreeMap<AdapterId, Vnic>,
    initiators: BTreeMap<AdapterId, Initiator>,
    rng: Rng,
    /// When each vHBA did something last that was acknowledged, for those who wait until it serves.
    pub acknowledged: BTreeMap<AdapterId, Nanos>,
    values: u64,
}

impl Server {
    pub fn new(me: u8, clock: Clock, ctx: &Context) -> Self {
        Self {
            me,
            clock,
            disk: Disk::new(Kept::default(), false),
            runs: false,
            life: 0,
            agent: Agent::new(Memory::default()),
            devices: BTreeMap::new(),
            table: BTreeMap::new(),
            attached: [None; 8],
            up: Default::default(),
            released: BTreeMap::new(),
            vnics: BTreeMap::new(),
            initiators: BTreeMap::new(),
            rng: ctx.rng_of(Stream::Servers, Node::Server(me), 0),
            acknowledged: BTreeMap::new(),
            values: 0,
        }
    }

    pub fn start(&mut self, kept: Kept, ctx: &mut Context) {
        let (me, life, clock, values) = (self.me, self.life + 1, self.clock.clone(), self.values);
        *self = Self::new(me, clock, ctx);
        (self.life, self.runs, self.values) = (life, true, values);
        self.rng = ctx.rng_of(Stream::Servers, Node::Server(me), life);
        let epochs = kept.0.epochs.iter().map(|(&adapter, &epoch)| (adapter, epoch)).collect();
        ctx.observe(&Observation::AgentStarted { server: me, epochs });
        self.agent = Agent::new(kept.0.clone());
        self.disk = Disk::new(kept, false);
        ctx.network.set_running(self.node(), true, ctx.now);
        ctx.queue.push(ctx.now + u64::from(me + 1) * 3 * MILLI, Event::Tick { node: self.node(), life });
    }

    pub fn stop(&mut self, power_lost: bool, ctx: &mut Context) -> Kept {
        self.runs = false;
        ctx.network.set_running(self.node(), false, ctx.now);
        ctx.network.close_all(self.node());
        for (adapter, initiator) in std::mem::take(&mut self.initiators) {
            initiator.give_up(adapter, ctx);
        }
        if power_lost { self.disk.after_power_loss(&mut ctx.disks) } else { self.disk.after_kill() }
    }

    pub fn node(&self) -> Node {
        Node::Server(self.me)
    }

    pub fn tick(&mut self, ctx: &mut Context) {
        ctx.queue.push(ctx.now + TICK, Event::Tick { node: self.node(), life: self.life });
        self.look_at_paths(ctx);
        self.stay_attached(ctx);
        let now = self.clock.moment(ctx.now);
        if self.agent.next_deadline().is_some_and(|at| at <= now) {
            let effects = self.agent.tick(now);
            self.act(effects, ctx);
        }
        self.speak(ctx);
        self.use_disks(ctx);
    }

    pub fn on_message(&mut self, from: u8, message: Message, ctx: &mut Context) {
        match message {
            Message::Assigned(assigned) => self.on_assigned(&assigned, ctx),
            Message::Frame(frame) => self.on_frame(from, frame, ctx),
            Message::Disk(message) => self.on_disk_message(from, message, ctx),
            message => unreachable!("director {from} says {message:?} to a server"),
        }
    }

    /// What waited for the disk may be told.
    pub fn on_flushed(&mut self, ctx: &mut Context) {
        let Ok(Some(released)) = self.disk.flush(ctx.now) else { return };
        for (profile, revision) in released {
            self.released.insert(profile.clone(), revision);
            for director in self.attached_directors() {
                let said = Said::Released { profile: profile.clone(), revision };
                ctx.stream(self.node(), Node::Director(director), Message::Said(said));
            }
        }
    }

    fn attached_directors(&self) -> Vec<u8> {
        (0..8).filter(|it| self.attached[usize::from(*it)].is_some()).collect()
    }

    fn on_assigned(&mut self, assigned: &Assigned, ctx: &mut Context) {
        let assignment = &assigned.assignment;
        if assignment.revision >= self.agent.memory().revision {
            self.devices = assigned.devices.iter().copied().collect();
        }
        let effects = self.agent.on_assignment(assignment, self.clock.moment(ctx.now));
        self.act(effects, ctx);
        self.follow_disks(ctx);
    }

    fn look_at_paths(&mut self, ctx: &mut Context) {
        let names = ctx.names.clone();
        let mut changed = false;
        for (director, name) in names.directors.iter().enumerate() {
            for rail in Rail::ALL {
                let (up, _) = ctx.network.perceives(self.node(), Node::Director(director as u8), rail, ctx.now);
                if std::mem::replace(&mut self.up[director][rail.index()], up) != up {
                    changed = true;
                    let effects = self.agent.on_path(name, rail, up, self.clock.moment(ctx.now));
                    self.act(effects, ctx);
                }
            }
        }
        if changed {
            for director in self.attached_directors() {
                self.report_paths(director, ctx);
            }
        }
    }

    fn report_paths(&self, director: u8, ctx: &mut Context) {
        let names = ctx.names.clone();
        let paths = names.directors.iter().zip(&self.up);
        let paths = paths.flat_map(|(name, up)| Rail::ALL.map(|rail| (name.clone(), rail, up[rail.index()])));
        let said = Said::Paths(paths.collect());
        ctx.stream(self.node(), Node::Director(director), Message::Said(said));
    }

    fn reaches(&self, director: u8) -> bool {
        self.up[usize::from(director)] != [false; 2]
    }

    fn stay_attached(&mut self, ctx: &mut Context) {
        for director in 0..ctx.names.directors.len() as u8 {
            let (node, peer) = (self.node(), Node::Director(director));
            let attached = &mut self.attached[usize::from(director)];
            if attached.is_some_and(|session| session != ctx.network.session(node, peer)) {
                *attached = None;
                self.detach_disks(director);
            }
            match (self.attached[usize::from(director)], self.reaches(director)) {
                (Some(_), false) => ctx.network.close(node, peer),
                (None, true) => {
                    self.attached[usize::from(director)] = Some(ctx.network.open(node, peer));
                    ctx.stream(node, peer, Message::Attach);
                    self.report_paths(director, ctx);
                    for (profile, &revision) in &self.released {
                        let said = Said::Released { profile: profile.clone(), revision };
                        ctx.stream(node, peer, Message::Said(said));
                    }
                }
                _ => {}
            }
        }
    }

    /// Does what was decided, in its order; what must be durable first waits for the disk.
    fn act(&mut self, effects: Vec<Effect>, ctx: &mut Context) {
        let mut released = Vec::new();
        let mut persist = false;
        for effect in effects {
            match effect {
                Effect::Switch { adapter, route } | Effect::Create { adapter, route } => {
                    let epoch = route.epoch;
                    ctx.observe(&Observation::Follows { server: self.me, adapter, epoch });
                }
                Effect::Persist => persist = true,
                Effect::AcknowledgeRelease { profile, revision } => released.push((profile, revision)),
                Effect::Remove { .. } | Effect::Refuse(_) => {}
            }
        }
        self.table = self.agent.routes().map(|(adapter, route)| (adapter, route.clone())).collect();
        self.follow_vnics(ctx);
        self.follow_disks(ctx);
        if persist || !released.is_empty() {
            let memory = self.agent.memory().clone();
            let at = self.disk.submit(memory, released, ctx.now, &mut ctx.disks);
            ctx.queue.push(at, Event::Flushed { node: self.node(), life: self.life });
        }
    }
}
