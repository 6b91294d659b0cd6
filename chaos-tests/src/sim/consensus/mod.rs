//! A small Raft for the simulated directors: leader election, log replication, snapshots, confirmed reads, and a way to stand
//! for election at once. It is **not** the consensus of the product: that is openraft, which is asynchronous and runs on
//! threads. What is proven here is what the product builds *on* a log (state, leases, epochs, fences), and not openraft.
//!
//! ```text
//!              stand: a timeout, or told to         a majority's votes
//!   Follower ───────────────────────────▶ Candidate ──────────────────▶ Leader
//!      ▲                                      │                           │
//!      └──────────── a newer term ────────────┴───────────────────────────┘
//! ```
//!
//! Pure: a message or the time comes in, outputs come out. What must be durable first (a vote, entries that are acknowledged) is
//! in [`Output::Write`] with what follows on its flush ([`After`]). Paper: Ongaro and Ousterhout 2014, figure 2; reads: the
//! dissertation, 6.4; the hand-over: 3.10.

mod follower;
mod leader;
mod log;

use std::collections::VecDeque;
use std::rc::Rc;

use twinrail_failover::Moment;
use twinrail_raft_store::state::Command;

use super::queue::{MILLI, Nanos};
use super::rng::Rng;
use leader::Leading;
pub use log::{Durable, Log, Write};

/// The place of a director among the voters.
pub type Voter = u8;

/// How often a leader speaks at least.
const HEARTBEAT: Nanos = 50 * MILLI;
/// Without a word of a leader for so long, and up to twice that: stand.
const ELECTION: Nanos = 250 * MILLI;

#[derive(Clone, Debug)]
pub struct Entry {
    pub term: u64,
    /// None: a new leader's first entry, which says nothing.
    pub command: Option<Rc<Command>>,
}

/// The applied state at an index, encoded.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub index: u64,
    pub term: u64,
    pub state: Rc<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub enum Message {
    Vote { term: u64, last: (u64, u64) },
    Voted { term: u64, granted: bool },
    Append { term: u64, prev: (u64, u64), entries: Vec<Entry>, commit: u64, round: u64 },
    Appended { term: u64, accepted: bool, index: u64, round: u64 },
    Install { term: u64, snapshot: Snapshot, round: u64 },
    StandNow { term: u64 },
}

/// What follows on a flush.
#[derive(Clone, Debug)]
pub enum After {
    Nothing,
    Candidacy {
        term: u64,
    },
    Say {
        to: Voter,
        message: Message,
    },
    /// Entries are on this disk; if another sent them, it is told.
    Appended {
        reply: Option<(Voter, Message)>,
    },
}

#[derive(Clone, Debug)]
pub enum Output {
    Send {
        to: Voter,
        message: Message,
    },
    Write {
        write: Write,
        after: After,
    },
    /// The snapshot of another director is to be taken for the state.
    Restore(Snapshot),
    /// The question with this number may be answered from what is applied up to this index.
    Confirmed {
        question: u64,
        index: u64,
    },
    Elected {
        term: u64,
    },
}

#[derive(Debug)]
enum Role {
    Follower,
    Candidate { votes: u32 },
    Leader(Box<Leading>),
}

#[derive(Debug)]
pub struct Raft {
    me: Voter,
    voters: Voter,
    term: u64,
    voted: Option<Voter>,
    role: Role,
    leader: Option<Voter>,
    log: Log,
    commit: u64,
    /// The last index that is on this director's disk.
    durable: u64,
    /// The last index of each write of entries that is under way.
    writing: VecDeque<u64>,
    stand_at: Moment,
    rng: Rng,
    out: Vec<Output>,
}

impl Raft {
    pub fn new(me: Voter, voters: Voter, kept: &Durable, rng: Rng, now: Moment) -> Self {
        let log = kept.log.clone();
        let mut raft = Self {
            me,
            voters,
            term: kept.term,
            voted: kept.voted,
            role: Role::Follower,
            leader: None,
            commit: log.snapshot_index(),
            durable: log.last().0,
            log,
            writing: VecDeque::new(),
            stand_at: now,
            rng,
            out: Vec::new(),
        };
        raft.wait_for_leader(now);
        raft
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    pub fn term(&self) -> u64 {
        self.term
    }

    pub fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    pub fn leader(&self) -> Option<Voter> {
        self.leader
    }

    pub fn commit(&self) -> u64 {
        self.commit
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Everything up to the snapshot's index may be forgotten once it is written.
    pub fn compact(&mut self, snapshot: Snapshot) {
        self.log.compact(snapshot.clone());
        self.out.push(Output::Write { write: Write::Snapshot(snapshot), after: After::Nothing });
    }

    pub fn tick(&mut self, now: Moment) {
        match &self.role {
            Role::Leader(_) => self.beat(now),
            Role::Follower | Role::Candidate { .. } if now >= self.stand_at => self.stand(now),
            Role::Follower | Role::Candidate { .. } => {}
        }
    }

    /// Stands for election at once.
    pub fn stand(&mut self, now: Moment) {
        if self.leads() {
            return;
        }
        self.term += 1;
        self.voted = Some(self.me);
        self.role = Role::Candidate { votes: 0 };
        self.leader = None;
        self.wait_for_leader(now);
        self.write_vote(After::Candidacy { term: self.term });
    }

    pub fn on_message(&mut self, from: Voter, message: Message, now: Moment) {
        match message {
            Message::Vote { term, last } => self.on_vote(from, term, last, now),
            Message::Voted { term, granted } => self.on_voted(from, term, granted, now),
            Message::Append { term, prev, entries, commit, round } => {
                if self.follows(from, term, now) {
                    self.on_append(from, prev, entries, commit, round);
                }
            }
            Message::Install { term, snapshot, round } => {
                if self.follows(from, term, now) {
                    self.on_install(from, snapshot, round);
                }
            }
            Message::Appended { term, accepted, index, round } => {
                self.on_appended(from, term, (accepted, index, round), now);
            }
            Message::StandNow { term } if term == self.term => self.stand(now),
            Message::StandNow { .. } => {}
        }
    }

    /// A write is flushed.
    pub fn on_flushed(&mut self, after: After) {
        match after {
            After::Nothing => {}
            After::Candidacy { term } => self.ask_for_votes(term),
            After::Say { to, message } => self.send(to, message),
            After::Appended { reply } => {
                let index = self.writing.pop_front().unwrap_or(self.durable);
                self.durable = self.durable.max(index);
                if let Some((to, message)) = reply {
                    self.send(to, message);
                }
                self.advance();
            }
        }
    }

    fn write_vote(&mut self, after: After) {
        let write = Write::Vote { term: self.term, voted: self.voted };
        self.out.push(Output::Write { write, after });
    }

    /// `first`: the index of the first of them; what was there before from there on is replaced.
    fn write_entries(&mut self, first: u64, entries: Vec<Entry>, reply: Option<(Voter, Message)>) {
        if first <= self.log.last().0 {
            self.durable = self.durable.min(first - 1);
            self.writing.iter_mut().for_each(|it| *it = (*it).min(first - 1));
        }
        self.log.append(first, &entries);
        self.writing.push_back(self.log.last().0);
        self.out.push(Output::Write { write: Write::Entries { first, entries }, after: After::Appended { reply } });
    }

    fn wait_for_leader(&mut self, now: Moment) {
        let patience = ELECTION + self.rng.below(ELECTION);
        self.stand_at = now + std::time::Duration::from_nanos(patience);
    }

    fn step_down(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted = None;
            self.leader = None;
            self.write_vote(After::Nothing);
        }
        self.role = Role::Follower;
    }

    fn send(&mut self, to: Voter, message: Message) {
        self.out.push(Output::Send { to, message });
    }

    fn others(&self) -> impl Iterator<Item = Voter> + use<> {
        let me = self.me;
        (0..self.voters).filter(move |it| *it != me)
    }

    fn majority(&self) -> usize {
        usize::from(self.voters) / 2 + 1
    }
}
