use std::time::Duration;

use twinrail_failover::Moment;

use super::{Entry, HEARTBEAT, Message, Output, Raft, Role, Voter};
use crate::sim::consensus::log::Log;

/// Most entries of one message.
const BATCH: usize = 64;
/// More voters than any world has.
const VOTERS: usize = 8;

#[derive(Debug)]
pub(super) struct Leading {
    /// The index of this term's first entry.
    first: u64,
    next: [u64; VOTERS],
    matched: [u64; VOTERS],
    /// The newest round that each has answered.
    answered: [u64; VOTERS],
    round: u64,
    questions: Vec<Question>,
    beat_at: Moment,
}

#[derive(Debug)]
struct Question {
    number: u64,
    round: u64,
}

impl Raft {
    pub(super) fn lead(&mut self, now: Moment) {
        let next = self.log.last().0 + 1;
        self.leader = Some(self.me);
        self.role = Role::Leader(Box::new(Leading {
            first: next,
            next: [next; VOTERS],
            matched: [0; VOTERS],
            answered: [0; VOTERS],
            round: 0,
            questions: Vec::new(),
            beat_at: now,
        }));
        self.out.push(Output::Elected { term: self.term });
        self.propose(None);
        self.beat(now);
    }

    /// Puts it into the log. None: this director does not lead.
    pub fn propose(&mut self, command: Option<std::rc::Rc<twinrail_raft_store::state::Command>>) -> Option<u64> {
        if !self.leads() {
            return None;
        }
        let index = self.log.last().0 + 1;
        self.write_entries(index, vec![Entry { term: self.term, command }], None);
        for to in self.others() {
            self.replicate(to);
        }
        Some(index)
    }

    /// Asks a majority whether this director still leads; then [`Output::Confirmed`] with this number.
    pub fn ask(&mut self, number: u64) {
        let Role::Leader(leading) = &mut self.role else { return };
        leading.round += 1;
        leading.questions.push(Question { number, round: leading.round });
        for to in self.others() {
            self.replicate(to);
        }
        self.answer_questions();
    }

    /// The index of the commit, without asking anybody; None: this director does not believe that it leads.
    pub fn unconfirmed_index(&self) -> Option<u64> {
        self.leads().then_some(self.commit)
    }

    /// Asks another to stand, if it has everything.
    pub fn hand_over(&mut self, to: Voter) {
        let Role::Leader(leading) = &self.role else { return };
        if leading.matched[usize::from(to)] == self.log.last().0 {
            let term = self.term;
            self.send(to, Message::StandNow { term });
        }
    }

    pub(super) fn beat(&mut self, now: Moment) {
        let Role::Leader(leading) = &mut self.role else { return };
        if now < leading.beat_at {
            return;
        }
        leading.beat_at = now + Duration::from_nanos(HEARTBEAT);
        for to in self.others() {
            self.replicate(to);
        }
    }

    pub(super) fn on_appended(
        &mut self,
        from: Voter,
        term: u64,
        (accepted, index, round): (bool, u64, u64),
        now: Moment,
    ) {
        if term > self.term {
            self.step_down(term);
            return self.wait_for_leader(now);
        }
        let Role::Leader(leading) = &mut self.role else { return };
        if term < self.term {
            return;
        }
        let who = usize::from(from);
        leading.answered[who] = leading.answered[who].max(round);
        if accepted {
            leading.matched[who] = leading.matched[who].max(index);
            leading.next[who] = leading.next[who].max(index + 1);
        } else {
            leading.next[who] = (index + 1).max(leading.matched[who] + 1);
            self.replicate(from);
        }
        self.advance();
    }

    /// What a majority has on disk is committed, if it is of this term.
    pub(super) fn advance(&mut self) {
        let Role::Leader(leading) = &self.role else { return };
        let mut held: Vec<u64> = self.others().map(|it| leading.matched[usize::from(it)]).collect();
        held.push(self.durable);
        held.sort_unstable_by(|one, other| other.cmp(one));
        let index = held[self.majority() - 1];
        if index > self.commit && self.log.term_at(index) == Some(self.term) {
            self.commit = index;
        }
        self.answer_questions();
    }

    fn answer_questions(&mut self) {
        let majority = self.majority();
        let Role::Leader(leading) = &mut self.role else { return };
        if self.commit < leading.first {
            return;
        }
        let voters = usize::from(self.voters);
        let me = usize::from(self.me);
        let answered = &leading.answered[..voters];
        let confirmed = |round: u64| {
            1 + answered.iter().enumerate().filter(|&(it, &seen)| it != me && seen >= round).count() >= majority
        };
        let index = self.commit;
        let out = &mut self.out;
        leading.questions.retain(|question| {
            let sure = confirmed(question.round);
            if sure {
                out.push(Output::Confirmed { question: question.number, index });
            }
            !sure
        });
    }

    fn replicate(&mut self, to: Voter) {
        let Role::Leader(leading) = &mut self.role else { return };
        let who = usize::from(to);
        let (term, round) = (self.term, leading.round);
        match batch(&self.log, leading.next[who]) {
            Some((prev, entries)) => {
                leading.next[who] = prev.0 + entries.len() as u64 + 1;
                let commit = self.commit;
                self.send(to, Message::Append { term, prev, entries, commit, round });
            }
            None => {
                let Some(snapshot) = self.log.snapshot().cloned() else { return };
                leading.next[who] = snapshot.index + 1;
                self.send(to, Message::Install { term, snapshot, round });
            }
        }
    }
}

/// The entries from `next` on, and what stands before them.
fn batch(log: &Log, next: u64) -> Option<((u64, u64), Vec<Entry>)> {
    let prev = next - 1;
    Some(((prev, log.term_at(prev)?), log.after(prev, BATCH)?))
}
