//! A simulated director: the deciding code and the replicated state of the product, on a log of its own
//! ([`super::consensus`]). What glues them together follows `node/src/director`, module by module:
//!
//! | here | there | |
//! |---|---|---|
//! | `log` | `raft`, `raft-store::store` | applies what is committed, snapshots |
//! | `liveness` | `liveness`, `raft/election` | paths, verdicts, standing for election |
//! | `lease` | `lease`, `datapath::lease` | both sides of the lease |
//! | `carriage` | `carriage`, `datapath::director` | the table in force, frames, announcements |
//! | `planning`, `reconciler` | `planning`, `reconciler`, `releases` | the leader's work |
//! | `agents` | `agents`, `assignment` | what servers are told |
//! | `calls` | `leader`, `cluster`, `raft-store::store::feed` | the API |
//! | `vhbas` | `vhba` | fences, commands of servers |

mod agents;
mod announce;
mod calls;
mod carriage;
mod lease;
mod liveness;
mod log;
mod planning;
mod reconciler;
mod vhbas;

pub use log::encode;
use twinrail_failover::Moment;
use twinrail_proto::domain::Name;
use twinrail_raft_store::state::State;

use super::clock::Clock;
use super::consensus::{After, Durable, Raft};
use super::context::{Context, Event};
use super::disk::Disk;
use super::message::Message;
use super::network::Node;
use super::observation::Observation;
use super::queue::{MILLI, Nanos};
use super::rng::Stream;
use agents::Agents;
use calls::Calls;
use carriage::Carriage;
use lease::LeaseBook;
use liveness::Liveness;
use reconciler::Reconciler;
use vhbas::Vhbas;

/// How often a director looks at its clock.
pub const TICK: Nanos = 10 * MILLI;
/// A process that was away for so long has stalled (`datapath::lease`).
const STALL: Nanos = 60 * MILLI;

#[derive(Debug)]
pub struct Director {
    pub me: u8,
    pub name: Name,
    pub clock: Clock,
    pub disk: Disk<Durable, After>,
    pub runs: bool,
    pub life: u32,
    pub paused_until: Option<Nanos>,
    raft: Raft,
    pub state: State,
    pub applied: u64,
    liveness: Liveness,
    lease: LeaseBook,
    carriage: Carriage,
    reconciler: Reconciler,
    agents: Agents,
    calls: Calls,
    vhbas: Vhbas,
}

impl Director {
    /// Not running yet.
    pub fn new(me: u8, clock: Clock, durable: Durable, ctx: &Context) -> Self {
        let name = ctx.names.directors[usize::from(me)].clone();
        let moment = clock.moment(ctx.now);
        let raft = Self::consensus(me, 0, &durable, moment, ctx);
        Self {
            me,
            clock,
            disk: Disk::new(durable, ctx.has(super::bugs::Bug::LostFsync)),
            runs: false,
            life: 0,
            paused_until: None,
            raft,
            state: State::default(),
            applied: 0,
            liveness: Liveness::new(&name),
            lease: LeaseBook::new(moment),
            carriage: Carriage::default(),
            reconciler: Reconciler::default(),
            agents: Agents::default(),
            calls: Calls::new(0),
            vhbas: Vhbas::default(),
            name,
        }
    }

    fn consensus(me: u8, life: u32, kept: &Durable, moment: Moment, ctx: &Context) -> Raft {
        let rng = ctx.rng_of(Stream::Elections, Node::Director(me), life);
        Raft::new(me, ctx.names.directors.len() as u8, kept, rng, moment)
    }

    /// The process starts from what the disk holds.
    pub fn start(&mut self, durable: Durable, ctx: &mut Context) {
        let lies = ctx.has(super::bugs::Bug::LostFsync);
        let moment = self.clock.moment(ctx.now);
        self.life += 1;
        self.runs = true;
        self.paused_until = None;
        self.raft = Self::consensus(self.me, self.life, &durable, moment, ctx);
        self.disk = Disk::new(durable, lies);
        (self.state, self.applied) = (State::default(), 0);
        self.liveness = Liveness::new(&self.name);
        self.lease = LeaseBook::new(moment);
        self.carriage = Carriage::default();
        self.reconciler = Reconciler::default();
        self.agents = Agents::default();
        self.calls = Calls::new(self.life);
        self.vhbas = Vhbas::default();
        ctx.network.set_running(self.node(), true, ctx.now);
        ctx.observe(&Observation::Started { director: self.me });
        self.restore_own_snapshot(ctx);
        ctx.queue.push(ctx.now + u64::from(self.me + 1) * MILLI, Event::Tick { node: self.node(), life: self.life });
    }

    /// The process is gone. Returns what a start finds.
    pub fn stop(&mut self, power_lost: bool, ctx: &mut Context) -> Durable {
        self.runs = false;
        self.paused_until = None;
        ctx.network.set_running(self.node(), false, ctx.now);
        ctx.network.close_all(self.node());
        self.vhbas.die(self.me, self.life, ctx);
        if power_lost { self.disk.after_power_loss(&mut ctx.disks) } else { self.disk.after_kill() }
    }

    pub fn node(&self) -> Node {
        Node::Director(self.me)
    }

    pub fn now(&self, ctx: &Context) -> Moment {
        self.clock.moment(ctx.now)
    }

    /// Of what it has applied.
    pub fn hash(&self) -> u64 {
        self.state.hash()
    }

    pub fn tick(&mut self, ctx: &mut Context) {
        ctx.queue.push(ctx.now + TICK, Event::Tick { node: self.node(), life: self.life });
        let now = self.now(ctx);
        self.look_at_paths(ctx);
        self.raft.tick(now);
        self.run_consensus(ctx);
        self.stand_if_due(ctx);
        self.enforce(ctx);
        self.keep_lease(ctx);
        self.take_grants(ctx);
        self.announce(ctx);
        self.tick_vhbas(ctx);
        self.detach_lost_agents(ctx);
        self.reconcile(ctx);
    }

    /// The process goes on after it was stopped: what its sockets had queued is stale.
    pub fn resume(&mut self, ctx: &mut Context, stopped_for: Nanos) {
        self.paused_until = None;
        ctx.network.set_running(self.node(), true, ctx.now);
        if stopped_for > STALL && !ctx.has(super::bugs::Bug::NoStallGuard) {
            let now = self.now(ctx);
            self.lease.stall(now);
        }
    }

    pub fn on_message(&mut self, from: Node, message: Message, ctx: &mut Context) {
        match (from, message) {
            (Node::Director(from), Message::Raft(message)) => {
                self.raft.on_message(from, message, self.now(ctx));
                self.run_consensus(ctx);
            }
            (Node::Director(from), Message::AskLease { life, sequence, enforced }) => {
                self.ask_for(lease::Ask { director: from, life, sequence, enforced }, ctx);
            }
            (Node::Director(_), Message::GrantLease { life, sequence, commit }) if life == self.life => {
                self.on_grant(sequence, commit, ctx);
            }
            (Node::Director(_), Message::GrantLease { .. }) => {}
            (Node::Director(from), Message::AskIndex { question }) => self.on_ask_index(from, question, ctx),
            (Node::Director(_), Message::Index { question, index }) => self.on_index(question, index, ctx),
            (_, Message::Call(call)) => self.on_call(call, ctx),
            (Node::Server(server), Message::Attach) => self.on_attach(server, ctx),
            (Node::Server(server), Message::Said(said)) => self.on_said(server, said, ctx),
            (Node::Server(server), Message::Frame(frame)) => self.on_frame(server, frame, ctx),
            (Node::Server(server), Message::Ready { adapter, epoch }) => self.on_ready(server, adapter, epoch, ctx),
            (Node::Server(server), Message::Disk(message)) => self.on_disk_message(server, message, ctx),
            (from, message) => unreachable!("{from:?} says {message:?} to a director"),
        }
    }

    /// The disk has flushed its oldest write. False: it could not, and the director stops.
    pub fn on_flushed(&mut self, ctx: &mut Context) -> bool {
        match self.disk.flush(ctx.now) {
            Ok(after) => {
                if let Some(after) = after {
                    self.raft.on_flushed(after);
                    self.run_consensus(ctx);
                }
                true
            }
            Err(super::disk::FlushFailed) => false,
        }
    }

    fn leader_name(&self, ctx: &Context) -> Option<Name> {
        self.raft.leader().map(|it| ctx.names.directors[usize::from(it)].clone())
    }
}
