//! The API: calls of clients, on the leader or on the way to it; linearizable reads; watches.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use twinrail_proto::domain::Revision;
use twinrail_raft_store::state::{Applied, Command, Operation, Outcome, RequestId};

use super::Director;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::message::{Answer, Call, Intent, Message};
use crate::sim::network::Node;

/// Revisions that a watch can resume from.
const FEED: usize = 256;
/// Reads that wait; the oldest is forgotten, and its client asks again.
const MAX_READS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Calls {
    questions: u64,
    /// What this director put into the log for a client, by index.
    proposed: BTreeMap<u64, Proposed>,
    reads: BTreeMap<u64, Read>,
    /// Questions that another director asked.
    asked: BTreeMap<u64, (u8, u64)>,
    /// Revisions that changed something, and after which one that is all.
    feed: VecDeque<u64>,
    feed_from: u64,
}

#[derive(Debug)]
struct Proposed {
    term: u64,
    client: u8,
    call: u64,
}

#[derive(Debug)]
struct Read {
    call: Rc<Call>,
    index: Option<u64>,
}

impl Calls {
    /// Questions of one process are not taken for those of the one before.
    pub fn new(life: u32) -> Self {
        Self { questions: u64::from(life) << 32, ..Self::default() }
    }

    pub fn next_question(&mut self) -> u64 {
        self.questions += 1;
        self.questions
    }

    /// The state came from a snapshot: what led to it is not known.
    pub fn restored(&mut self, index: u64) {
        self.feed.clear();
        self.feed_from = index;
        self.proposed.retain(|&it, _| it > index);
    }

    pub fn applied(&mut self, me: u8, index: u64, term: Option<u64>, outcome: &Outcome, ctx: &mut Context) {
        if let Ok(Applied { events, replayed: false, .. }) = outcome
            && !events.is_empty()
        {
            self.feed.push_back(index);
            if self.feed.len() > FEED {
                self.feed_from = self.feed.pop_front().unwrap_or(self.feed_from);
            }
        }
        let Some(Proposed { term: proposed, client, call }) = self.proposed.remove(&index) else { return };
        if Some(proposed) != term {
            return;
        }
        let answer = match outcome {
            Ok(applied) => Answer::Done { revision: applied.revision },
            Err(_) => Answer::Rejected,
        };
        ctx.send(Node::Director(me), Node::Client(client), Message::Answered { call, answer });
    }
}

impl Director {
    pub(super) fn on_call(&mut self, call: Rc<Call>, ctx: &mut Context) {
        match &call.intent {
            Intent::Read { .. } => self.begin_read(call, ctx),
            Intent::Watch { after } => self.on_watch(&call, *after, ctx),
            _ if self.raft.leads() => self.lead(&call, ctx),
            _ => {
                if let Some(leader) = self.raft.leader() {
                    ctx.send(self.node(), Node::Director(leader), Message::Call(call));
                }
            }
        }
    }

    fn lead(&mut self, call: &Call, ctx: &mut Context) {
        let request = RequestId(call.request.clone());
        let operation = match self.state.answered(&request) {
            Some(_) => Some(Operation::Recall),
            None => self.plan_intent(&call.intent, ctx),
        };
        let (client, number) = (call.client, call.number);
        let Some(operation) = operation else {
            return self.answer(client, number, Answer::Rejected, ctx);
        };
        let (at, actor) = (self.clock.wall(ctx.now), format!("client {client}"));
        let intent = number << 8 | u64::from(client);
        let command = Command { request_id: Some(request), at, actor, intent, operation };
        if let Some(index) = self.propose(command, ctx) {
            let term = self.raft.term();
            self.calls.proposed.insert(index, Proposed { term, client, call: number });
        }
    }

    fn begin_read(&mut self, call: Rc<Call>, ctx: &mut Context) {
        let question = self.calls.next_question();
        self.calls.reads.insert(question, Read { call, index: None });
        if self.calls.reads.len() > MAX_READS {
            self.calls.reads.pop_first();
        }
        match self.raft.leader() {
            Some(leader) if leader == self.me => self.ask_quorum(question, ctx),
            Some(leader) => ctx.send(self.node(), Node::Director(leader), Message::AskIndex { question }),
            None => {}
        }
    }

    fn ask_quorum(&mut self, question: u64, ctx: &mut Context) {
        if let (true, Some(index)) = (ctx.has(Bug::ReadWithoutQuorum), self.raft.unconfirmed_index()) {
            return self.on_confirmed(question, index, ctx);
        }
        self.raft.ask(question);
        self.run_consensus(ctx);
    }

    pub(super) fn on_ask_index(&mut self, from: u8, theirs: u64, ctx: &mut Context) {
        if self.raft.leads() {
            let question = self.calls.next_question();
            self.calls.asked.insert(question, (from, theirs));
            self.ask_quorum(question, ctx);
        }
    }

    /// A quorum has said that this director leads.
    pub(super) fn on_confirmed(&mut self, question: u64, index: u64, ctx: &mut Context) {
        if self.lease_confirmed(question, index, ctx) {
            return;
        }
        if let Some((director, question)) = self.calls.asked.remove(&question) {
            return ctx.send(self.node(), Node::Director(director), Message::Index { question, index });
        }
        self.on_index(question, index, ctx);
    }

    pub(super) fn on_index(&mut self, question: u64, index: u64, ctx: &mut Context) {
        if let Some(read) = self.calls.reads.get_mut(&question) {
            read.index = Some(index);
            self.answer_reads(ctx);
        }
    }

    /// Those whose index is applied here.
    pub(super) fn answer_reads(&mut self, ctx: &mut Context) {
        let applied = self.applied;
        let due = self.calls.reads.extract_if(.., |_, it| it.index.is_some_and(|index| index <= applied));
        let due: Vec<(u64, Read)> = due.collect();
        for (_, Read { call, .. }) in due {
            let Intent::Read { register } = &call.intent else { continue };
            let value = self.state.qos_policies().get(register).map(|it| it.value.max_mbps);
            self.answer(call.client, call.number, Answer::Value(value), ctx);
        }
    }

    fn on_watch(&mut self, call: &Call, after: Revision, ctx: &mut Context) {
        let upto = Revision(self.applied);
        if after.0 < self.calls.feed_from {
            return self.answer(call.client, call.number, Answer::Compacted { upto }, ctx);
        }
        let mut revisions: Vec<u64> = self.calls.feed.iter().copied().filter(|it| *it > after.0).collect();
        if ctx.has(Bug::WatchSkips) && revisions.len() > 1 {
            revisions.remove(0);
        }
        let upto = upto.max(after);
        self.answer(call.client, call.number, Answer::Revisions { after, revisions, upto }, ctx);
    }

    fn answer(&self, client: u8, call: u64, answer: Answer, ctx: &mut Context) {
        ctx.send(self.node(), Node::Client(client), Message::Answered { call, answer });
    }
}
