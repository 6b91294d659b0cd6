use twinrail_failover::Moment;

use super::{After, Entry, Message, Output, Raft, Role, Snapshot, Voter};

/// Votes, and what a follower takes from its leader.
impl Raft {
    pub(super) fn ask_for_votes(&mut self, term: u64) {
        if self.term != term || !matches!(self.role, Role::Candidate { .. }) {
            return;
        }
        self.role = Role::Candidate { votes: 1 << self.me };
        let last = self.log.last();
        for to in self.others() {
            self.send(to, Message::Vote { term, last });
        }
    }

    pub(super) fn on_vote(&mut self, from: Voter, term: u64, (index, last_term): (u64, u64), now: Moment) {
        if term > self.term {
            self.step_down(term);
        }
        let (own_index, own_term) = self.log.last();
        let complete = (last_term, index) >= (own_term, own_index);
        let free = self.voted.is_none_or(|it| it == from);
        if term < self.term || !complete || !free || self.leads() {
            let term = self.term;
            return self.send(from, Message::Voted { term, granted: false });
        }
        self.voted = Some(from);
        self.wait_for_leader(now);
        self.write_vote(After::Say { to: from, message: Message::Voted { term, granted: true } });
    }

    pub(super) fn on_voted(&mut self, from: Voter, term: u64, granted: bool, now: Moment) {
        if term > self.term {
            return self.step_down(term);
        }
        let majority = self.majority();
        let Role::Candidate { votes } = &mut self.role else { return };
        if term == self.term && granted && *votes != 0 {
            *votes |= 1 << from;
            if votes.count_ones() as usize >= majority {
                self.lead(now);
            }
        }
    }

    /// Whether this message is of the present leader.
    pub(super) fn follows(&mut self, from: Voter, term: u64, now: Moment) -> bool {
        if term < self.term {
            let term = self.term;
            self.send(from, Message::Appended { term, accepted: false, index: 0, round: 0 });
            return false;
        }
        if term > self.term || !matches!(self.role, Role::Follower) {
            self.step_down(term);
        }
        self.leader = Some(from);
        self.wait_for_leader(now);
        true
    }

    pub(super) fn on_append(&mut self, from: Voter, prev: (u64, u64), entries: Vec<Entry>, commit: u64, round: u64) {
        let term = self.term;
        let (last, snapshot) = (self.log.last().0, self.log.snapshot_index());
        let known = prev.0 <= snapshot || self.log.term_at(prev.0) == Some(prev.1);
        if !known {
            let index = last.min(prev.0.saturating_sub(1));
            return self.send(from, Message::Appended { term, accepted: false, index, round });
        }
        let matched = prev.0 + entries.len() as u64;
        let news = self.first_new(prev.0, &entries);
        self.commit = self.commit.max(commit.min(matched));
        let reply = Message::Appended { term, accepted: true, index: matched, round };
        match news {
            Some(skip) => {
                let first = prev.0 + skip as u64 + 1;
                // The round is confirmed at once; the entries are when they are on the disk.
                let index = first - 1;
                self.send(from, Message::Appended { term, accepted: true, index: index.min(self.durable), round });
                self.write_entries(first, entries[skip..].to_vec(), Some((from, reply)));
            }
            None => {
                let index = matched.min(self.durable);
                self.send(from, Message::Appended { term, accepted: true, index, round });
            }
        }
    }

    /// How many of the entries are here already; None: all.
    fn first_new(&self, prev: u64, entries: &[Entry]) -> Option<usize> {
        let snapshot = self.log.snapshot_index();
        entries
            .iter()
            .zip(prev + 1..)
            .position(|(entry, index)| index > snapshot && self.log.term_at(index) != Some(entry.term))
    }

    pub(super) fn on_install(&mut self, from: Voter, snapshot: Snapshot, round: u64) {
        let (term, index) = (self.term, snapshot.index);
        let reply = Message::Appended { term, accepted: true, index, round };
        if index <= self.commit {
            return self.send(from, reply);
        }
        self.commit = index;
        if self.log.term_at(index) != Some(snapshot.term) {
            self.writing.iter_mut().for_each(|it| *it = index);
        }
        self.log.compact(snapshot.clone());
        self.durable = self.durable.max(index).min(self.log.last().0);
        self.out.push(Output::Restore(snapshot.clone()));
        let write = super::Write::Snapshot(snapshot);
        self.out.push(Output::Write { write, after: After::Say { to: from, message: reply } });
    }
}
