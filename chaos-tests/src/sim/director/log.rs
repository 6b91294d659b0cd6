//! From the log to the state: applies what is committed, takes snapshots and gives them.

use std::rc::Rc;

use twinrail_proto::domain::{ResourceKind, Revision};
use twinrail_raft_store::state::{Applied, Audience, Command, State};

use super::Director;
use crate::sim::bugs::Bug;
use crate::sim::consensus::{After, Entry, Output, Snapshot, Write};
use crate::sim::context::{Context, Event};
use crate::sim::message::Message;
use crate::sim::network::Node;
use crate::sim::observation::Observation;

/// Entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 60;
/// The state's hash is compared at every so many-th index: it costs more than the change itself.
const HASH_EVERY: u64 = 16;

pub fn encode(state: &State) -> Rc<Vec<u8>> {
    Rc::new(rmp_serde::to_vec_named(state).expect("the state's types encode"))
}

fn decode(bytes: &[u8], bug: Option<Bug>) -> State {
    let forgetful = (bug == Some(Bug::SnapshotForgetsAnswers)).then(|| without_answers(bytes));
    rmp_serde::from_slice(forgetful.as_deref().unwrap_or(bytes)).expect("a snapshot that was encoded here")
}

/// The field has another name, which nobody reads.
fn without_answers(bytes: &[u8]) -> Vec<u8> {
    let (field, mut bytes) = (b"\xa7answers", bytes.to_vec());
    if let Some(at) = bytes.windows(field.len()).position(|it| it == field) {
        bytes[at + field.len() - 1] = b'z';
    }
    bytes
}

impl Director {
    pub(super) fn run_consensus(&mut self, ctx: &mut Context) {
        loop {
            let outputs = self.raft.take_outputs();
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                self.run_output(output, ctx);
            }
        }
        self.apply_committed(ctx);
    }

    fn run_output(&mut self, output: Output, ctx: &mut Context) {
        match output {
            Output::Send { to, message } => ctx.send(self.node(), Node::Director(to), Message::Raft(message)),
            Output::Write { write, after } => self.write(write, after, ctx),
            Output::Restore(snapshot) => self.restore(&snapshot, ctx),
            Output::Confirmed { question, index } => self.on_confirmed(question, index, ctx),
            Output::Elected { term } => {
                ctx.observe(&Observation::Elected { director: self.me, term });
                self.reconciler.dirty = true;
            }
        }
    }

    fn write(&mut self, write: Write, after: After, ctx: &mut Context) {
        let forgotten = ctx.has(Bug::VoteNotPersisted) && matches!(write, Write::Vote { .. });
        if forgotten {
            return self.raft.on_flushed(after);
        }
        if let (true, After::Appended { reply: Some((to, message)) }) = (ctx.has(Bug::AckBeforeFlush), &after) {
            ctx.send(self.node(), Node::Director(*to), Message::Raft(message.clone()));
        }
        let at = self.disk.submit(write, after, ctx.now, &mut ctx.disks);
        ctx.queue.push(at, Event::Flushed { node: self.node(), life: self.life });
    }

    /// At its start.
    pub(super) fn restore_own_snapshot(&mut self, ctx: &mut Context) {
        if let Some(snapshot) = self.raft.log().snapshot().cloned() {
            self.restore(&snapshot, ctx);
        }
    }

    fn restore(&mut self, snapshot: &Snapshot, ctx: &mut Context) {
        if snapshot.index <= self.applied {
            return;
        }
        self.state = decode(&snapshot.state, ctx.bug);
        self.applied = snapshot.index;
        ctx.observe(&Observation::Restored { director: self.me, index: snapshot.index, hash: self.state.hash() });
        self.calls.restored(snapshot.index);
        self.carriage.touched = true;
        self.reconciler.dirty = true;
    }

    fn apply_committed(&mut self, ctx: &mut Context) {
        if self.applied >= self.raft.commit() {
            return;
        }
        while self.applied < self.raft.commit() {
            let index = self.applied + 1;
            let Some(entry) = self.raft.log().entry(index).cloned() else { break };
            self.apply(index, &entry, ctx);
        }
        self.answer_reads(ctx);
        self.enforce(ctx);
        self.take_snapshot(ctx);
        self.reconcile(ctx);
    }

    fn apply(&mut self, index: u64, entry: &Entry, ctx: &mut Context) {
        self.applied = index;
        let applied = entry.command.as_ref().and_then(|command| self.apply_command(index, command, ctx));
        if index > ctx.judge.committed {
            ctx.judge.committed = index;
            let (state, command, applied) = (&self.state, entry.command.as_deref(), applied.as_ref());
            ctx.observe(&Observation::Committed { index, state, command, applied });
        }
        let hash = index.is_multiple_of(HASH_EVERY).then(|| self.state.hash());
        ctx.observe(&Observation::Applied { director: self.me, index, entry: digest(entry), hash });
    }

    /// None: it was refused.
    fn apply_command(&mut self, index: u64, command: &Rc<Command>, ctx: &mut Context) -> Option<Applied> {
        let outcome = if ctx.has(Bug::ApplyReadsClock) {
            let command = Command { at: self.clock.wall(ctx.now), ..(**command).clone() };
            self.state.apply_for(Audience::Nobody, Revision(index), &command)
        } else {
            self.state.apply_for(Audience::Nobody, Revision(index), command)
        };
        let term = self.raft.log().term_at(index);
        self.calls.applied(self.me, index, term, &outcome, ctx);
        self.reconciler.dirty = true;
        let applied = outcome.ok()?;
        let kinds = applied.events.iter().map(|it| it.key.kind);
        self.carriage.touched |= kinds.into_iter().any(concerns_datapath);
        Some(applied)
    }

    fn take_snapshot(&mut self, ctx: &mut Context) {
        if self.applied < self.raft.log().snapshot_index() + SNAPSHOT_EVERY {
            return;
        }
        let Some(term) = self.raft.log().term_at(self.applied) else { return };
        self.raft.compact(Snapshot { index: self.applied, term, state: encode(&self.state) });
        for output in self.raft.take_outputs() {
            self.run_output(output, ctx);
        }
    }

    /// Puts a command into the log. None: this director does not lead.
    pub(super) fn propose(&mut self, command: Command, ctx: &mut Context) -> Option<u64> {
        let index = self.raft.propose(Some(Rc::new(command)))?;
        for output in self.raft.take_outputs() {
            self.run_output(output, ctx);
        }
        Some(index)
    }
}

fn concerns_datapath(kind: ResourceKind) -> bool {
    match kind {
        ResourceKind::Director
        | ResourceKind::Server
        | ResourceKind::Lan
        | ResourceKind::San
        | ResourceKind::Profile
        | ResourceKind::Failover => true,
        ResourceKind::Pool | ResourceKind::QosPolicy | ResourceKind::Template => false,
    }
}

/// Tells two entries apart.
fn digest(entry: &Entry) -> u64 {
    let Some(command) = &entry.command else { return entry.term };
    let request = command.request_id.iter().flat_map(|it| it.0.bytes());
    let text = request.chain(command.actor.bytes());
    let start = entry.term ^ command.at.wrapping_mul(0x9e37_79b9) ^ command.intent;
    text.fold(start, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}
