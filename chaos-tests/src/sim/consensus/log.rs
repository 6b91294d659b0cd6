use std::collections::VecDeque;

use super::{Entry, Snapshot, Voter};
use crate::sim::disk::Stored;
use crate::sim::rng::Rng;

/// Entries that stay behind a snapshot, for followers that lag a little.
const KEEP: u64 = 16;

/// The entries after a point, and the snapshot that has what came before.
#[derive(Clone, Debug, Default)]
pub struct Log {
    snapshot: Option<Snapshot>,
    /// Index and term of the last entry that is not here any more.
    base: (u64, u64),
    entries: VecDeque<Entry>,
}

/// What a director's disk holds.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    pub term: u64,
    pub voted: Option<Voter>,
    pub log: Log,
}

#[derive(Clone, Debug)]
pub enum Write {
    Vote { term: u64, voted: Option<Voter> },
    Entries { first: u64, entries: Vec<Entry> },
    Snapshot(Snapshot),
}

impl Stored for Durable {
    type Write = Write;

    fn write(&mut self, write: &Write) {
        match write {
            Write::Vote { term, voted } => (self.term, self.voted) = (*term, *voted),
            Write::Entries { first, entries } => self.log.append(*first, entries),
            Write::Snapshot(snapshot) => self.log.compact(snapshot.clone()),
        }
    }

    /// Records have checksums: of a batch its first records may be whole, and half a record is none.
    fn torn(write: &Write, rng: &mut Rng) -> Option<Write> {
        match write {
            Write::Entries { first, entries } => {
                let whole = rng.below(entries.len() as u64 + 1) as usize;
                (whole > 0).then(|| Write::Entries { first: *first, entries: entries[..whole].to_vec() })
            }
            Write::Vote { .. } | Write::Snapshot(_) => None,
        }
    }
}

impl Log {
    /// (index, term) of the last entry.
    pub fn last(&self) -> (u64, u64) {
        let index = self.base.0 + self.entries.len() as u64;
        (index, self.entries.back().map_or(self.base.1, |it| it.term))
    }

    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    pub fn snapshot_index(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |it| it.index)
    }

    pub fn entry(&self, index: u64) -> Option<&Entry> {
        self.entries.get(index.checked_sub(self.base.0 + 1)? as usize)
    }

    /// None: it is not here (any more).
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 { Some(self.base.1) } else { self.entry(index).map(|it| it.term) }
    }

    /// The entries after `index`, so many at most; None: they are not all here any more.
    pub fn after(&self, index: u64, most: usize) -> Option<Vec<Entry>> {
        let from = index.checked_sub(self.base.0)? as usize;
        Some(self.entries.iter().skip(from).take(most).cloned().collect())
    }

    /// From `first` on these are the entries.
    pub fn append(&mut self, first: u64, entries: &[Entry]) {
        let Some(kept) = first.checked_sub(self.base.0 + 1) else { return };
        if kept as usize > self.entries.len() {
            return;
        }
        self.entries.truncate(kept as usize);
        self.entries.extend(entries.iter().cloned());
    }

    /// What the snapshot has may go. Where it is ahead of the log, or of another history, the log begins after it.
    pub fn compact(&mut self, snapshot: Snapshot) {
        if self.snapshot.as_ref().is_some_and(|it| it.index >= snapshot.index) {
            return;
        }
        if self.term_at(snapshot.index) == Some(snapshot.term) {
            let base = snapshot.index.saturating_sub(KEEP).max(self.base.0);
            let term = self.term_at(base).expect("it is between the base and the snapshot");
            self.entries.drain(..(base - self.base.0) as usize);
            self.base = (base, term);
        } else {
            self.base = (snapshot.index, snapshot.term);
            self.entries.clear();
        }
        self.snapshot = Some(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::default();
        let entries: Vec<Entry> = terms.iter().map(|&term| Entry { term, command: None }).collect();
        log.append(1, &entries);
        log
    }

    fn snapshot(index: u64, term: u64) -> Snapshot {
        Snapshot { index, term, state: Rc::default() }
    }

    #[test]
    fn a_snapshot_of_this_history_keeps_what_follows_it() {
        let mut log = log(&[1; 40]);
        log.compact(snapshot(30, 1));
        assert_eq!((log.last(), log.snapshot_index(), log.entry(14).is_none()), ((40, 1), 30, true));
        assert!(log.entry(15).is_some() && log.after(13, 9).is_none());
        assert_eq!(log.after(38, 9).map(|it| it.len()), Some(2));
    }

    #[test]
    fn a_snapshot_of_another_history_replaces_it() {
        let mut log = log(&[1; 40]);
        log.compact(snapshot(30, 2));
        assert_eq!((log.last(), log.term_at(30)), ((30, 2), Some(2)));
    }

    #[test]
    fn entries_replace_what_was_there_and_leave_no_hole() {
        let mut log = log(&[1, 1, 1]);
        log.append(2, &[Entry { term: 2, command: None }]);
        assert_eq!(log.last(), (2, 2));
        log.append(9, &[Entry { term: 2, command: None }]);
        assert_eq!(log.last(), (2, 2));
    }
}
