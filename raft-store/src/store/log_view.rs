//! The log as Raft sees it, in memory: its ends, and the entries of its tail.
//!
//! ```text
//!        purged        first            cached from          durable up to      next
//!   ───────┤─────────────┼───────────────────┼─────────────────────┼──────────────┤
//!    gone  │   on the disk only              │  in memory and on   │ in memory,   │
//!          │                                 │  the disk           │ not durable  │
//! ```
//!
//! * What is not durable is always in memory.
//! * Changes are seen here at once, and reach the disk in the same order: whoever reads from the disk afterwards checks
//!   with [`LogView::truncations`] and [`LogView::first`] that nothing has moved in the meantime.

use std::collections::VecDeque;
use std::sync::Arc;

use openraft::entry::RaftEntry;

use super::StoreError;
use crate::raft::{Entry, LogId, LogState, Vote};

/// Most durable entries kept in memory; older ones are read from the disk. Replication to a director that follows
/// closely, and applying, never need older ones.
pub const CACHE_ENTRIES: usize = 8192;
/// The same in encoded bytes: a few large plans must not take the memory of thousands of small commands.
pub const CACHE_BYTES: usize = 16 << 20;

#[derive(Default)]
pub struct LogView {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    first: u64,
    next: u64,
    cache: VecDeque<Slot>,
    cached_bytes: usize,
    truncations: u64,
}

struct Slot {
    entry: Arc<Entry>,
    /// Its encoded size, known as soon as it is durable.
    durable_bytes: Option<usize>,
}

/// What a read finds: `disk` is to be read there, and then come the entries of `cached`, with their sizes if known.
pub struct Found {
    pub disk: std::ops::Range<u64>,
    pub cached: Vec<(Arc<Entry>, Option<usize>)>,
}

impl LogView {
    pub fn recovered(vote: Option<Vote>, committed: Option<LogId>, purged: Option<LogId>) -> Self {
        let first = purged.map_or(0, |purged| purged.index() + 1);
        Self { vote, committed, purged, last: purged, first, next: first, ..Self::default() }
    }

    pub fn log_state(&self) -> LogState {
        LogState { last_purged_log_id: self.purged, last_log_id: self.last }
    }

    /// The index of the oldest entry, if there is one.
    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn last(&self) -> Option<LogId> {
        self.last
    }

    /// Grows with each truncation: an index read before may name another entry now.
    pub fn truncations(&self) -> u64 {
        self.truncations
    }

    pub fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), StoreError> {
        for entry in entries {
            let log_id = entry.log_id();
            let index = log_id.index();
            // A log that never had an entry may begin anywhere: so it is after a snapshot was installed.
            if self.last.is_none() && self.next == 0 {
                (self.first, self.next) = (index, index);
            }
            if index != self.next {
                return Err(StoreError::Gap { from: index, next: self.next });
            }
            self.next += 1;
            self.last = Some(log_id);
            self.cache.push_back(Slot { entry: entry.clone(), durable_bytes: None });
        }
        Ok(())
    }

    /// Answers the range of indexes that go; None: there are none.
    pub fn truncate_after(&mut self, keep: Option<LogId>) -> Option<std::ops::Range<u64>> {
        let from = keep.map_or(0, |keep| keep.index() + 1).max(self.first);
        if from >= self.next {
            return None;
        }
        let gone = from..self.next;
        while self.next > from {
            self.next -= 1;
            if let Some(slot) = self.cache.pop_back() {
                self.cached_bytes -= slot.durable_bytes.unwrap_or(0);
            }
        }
        self.last = keep.max(self.purged);
        self.truncations += 1;
        Some(gone)
    }

    /// Answers the range of indexes that go, which may be empty; None: it was purged before.
    pub fn purge(&mut self, upto: LogId) -> Option<std::ops::Range<u64>> {
        if self.purged >= Some(upto) {
            return None;
        }
        let gone = self.first..self.next.min(upto.index() + 1);
        self.purged = Some(upto);
        self.first = upto.index() + 1;
        while self.cache_start() < self.first && !self.cache.is_empty() {
            self.pop_front();
        }
        if self.next <= self.first {
            self.next = self.first;
            self.last = Some(upto);
        }
        Some(gone)
    }

    /// These entries are on the disk now, with these sizes.
    pub fn set_durable(&mut self, entries: &[(Arc<Entry>, usize)]) {
        for (entry, bytes) in entries {
            let position = entry.log_id().index().checked_sub(self.cache_start());
            let Some(slot) = position.and_then(|position| self.cache.get_mut(position as usize)) else { continue };
            // Truncated and written anew in the meantime: that one is not durable yet.
            if Arc::ptr_eq(&slot.entry, entry) {
                slot.durable_bytes = Some(*bytes);
                self.cached_bytes += bytes;
            }
        }
        while self.cache.len() > CACHE_ENTRIES || self.cached_bytes > CACHE_BYTES {
            if self.cache.front().is_none_or(|slot| slot.durable_bytes.is_none()) {
                break;
            }
            self.pop_front();
        }
    }

    /// The entries of `start..end` that the log has.
    pub fn find(&self, start: u64, end: u64) -> Found {
        let (start, end) = (start.max(self.first), end.min(self.next));
        if start >= end {
            return Found { disk: 0..0, cached: Vec::new() };
        }
        let cached_from = self.cache_start().clamp(start, end);
        let positions =
            (cached_from - self.cache_start().min(cached_from)) as usize..(end - self.cache_start().min(end)) as usize;
        let cached = self.cache.range(positions).map(|slot| (slot.entry.clone(), slot.durable_bytes)).collect();
        Found { disk: start..cached_from, cached }
    }

    fn cache_start(&self) -> u64 {
        self.next - self.cache.len() as u64
    }

    fn pop_front(&mut self) {
        let slot = self.cache.pop_front();
        self.cached_bytes -= slot.and_then(|slot| slot.durable_bytes).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use openraft::vote::RaftLeaderIdExt;

    use super::*;

    fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(openraft::type_config::alias::LeaderIdOf::<crate::raft::TypeConfig>::new_committed(term, 1), index)
    }

    fn blank(term: u64, index: u64) -> Arc<Entry> {
        Arc::new(Entry::new_blank(log_id(term, index)))
    }

    fn filled(count: u64) -> LogView {
        let mut view = LogView::default();
        view.append(&(0..count).map(|index| blank(1, index)).collect::<Vec<_>>()).unwrap();
        view
    }

    fn found(view: &LogView, start: u64, end: u64) -> (std::ops::Range<u64>, Vec<u64>) {
        let found = view.find(start, end);
        (found.disk, found.cached.iter().map(|(entry, _)| entry.log_id().index()).collect())
    }

    #[test]
    fn a_gap_is_refused() {
        let mut view = filled(3);
        assert!(matches!(view.append(&[blank(1, 4)]), Err(StoreError::Gap { from: 4, next: 3 })));
        assert!(matches!(view.append(&[blank(1, 2)]), Err(StoreError::Gap { from: 2, next: 3 })));
    }

    #[test]
    fn durable_entries_leave_memory_when_there_are_too_many_and_others_never() {
        let count = CACHE_ENTRIES as u64 + 100;
        let mut view = filled(count);
        assert_eq!(found(&view, 0, count).0, 0..0);
        let durable: Vec<_> = view.find(0, 60).cached.into_iter().map(|(entry, _)| (entry, 10)).collect();
        view.set_durable(&durable);
        assert_eq!(found(&view, 0, 62), (0..60, vec![60, 61]));
        let large: Vec<_> =
            view.find(60, count).cached.into_iter().map(|(entry, _)| (entry, CACHE_BYTES / 4)).collect();
        view.set_durable(&large);
        assert_eq!(found(&view, count - 6, count), (count - 6..count - 4, (count - 4..count).collect()));
    }

    #[test]
    fn a_truncated_entry_that_becomes_durable_says_nothing_of_its_successor() {
        let mut view = filled(3);
        let old = view.find(2, 3).cached.remove(0).0;
        assert_eq!(view.truncate_after(Some(log_id(1, 1))), Some(2..3));
        view.append(&[blank(2, 2)]).unwrap();
        view.set_durable(&[(old, 10)]);
        assert_eq!(view.find(2, 3).cached[0].1, None);
        assert_eq!(view.last(), Some(log_id(2, 2)));
        assert_eq!(view.truncations(), 1);
    }

    #[test]
    fn a_purge_beyond_the_end_moves_the_end() {
        let mut view = filled(5);
        assert_eq!(view.purge(log_id(1, 2)), Some(0..3));
        assert_eq!(found(&view, 0, 9), (3..3, vec![3, 4]));
        assert_eq!(view.purge(log_id(1, 2)), None);
        assert_eq!(view.purge(log_id(3, 8)), Some(3..5));
        assert_eq!(
            view.log_state(),
            LogState { last_purged_log_id: Some(log_id(3, 8)), last_log_id: Some(log_id(3, 8)) }
        );
        view.append(&[blank(3, 9)]).unwrap();
        assert_eq!(found(&view, 0, 20), (9..9, vec![9]));
    }

    #[test]
    fn truncating_everything_leaves_what_was_purged() {
        let mut view = filled(5);
        view.purge(log_id(1, 1));
        assert_eq!(view.truncate_after(None), Some(2..5));
        assert_eq!(view.last(), Some(log_id(1, 1)));
        assert_eq!(view.truncate_after(Some(log_id(1, 7))), None);
    }
}
