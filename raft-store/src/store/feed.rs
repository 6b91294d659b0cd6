//! What happened, for those who watch: the events of each revision, live and for a while afterwards.
//!
//! ```text
//!                 ┌──▶ broadcast ──▶ subscribers       each may fall behind by SUBSCRIBER_LAG notices
//!   apply ── publish ─▶ history: the last HISTORY_REVISIONS revisions that had events
//!                 └──▶ watch: the last applied revision
//! ```
//!
//! A watcher that fell behind, or comes back, asks for everything after the revision that it saw last; when that is
//! forgotten it is told so, and reads the state anew. There is no gap and no repetition between what
//! [`Feed::resume`] answers and what its receiver gets.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use twinrail_proto::domain::Revision;

use crate::state::Event;

/// Revisions with events kept for resuming watchers, some kilobytes each; the oldest are forgotten.
pub const HISTORY_REVISIONS: usize = 4096;
/// Notices that a subscriber may be behind; then it gets `RecvError::Lagged`, and resumes from the history.
pub const SUBSCRIBER_LAG: usize = 1024;

/// What one applied command changed. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct RevisionEvents {
    pub revision: Revision,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Changed(Arc<RevisionEvents>),
    /// The whole state was replaced by a snapshot of this revision: read it anew.
    Restored(Revision),
}

/// The revision that was asked for is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("events after the asked revision are forgotten; the oldest that one can resume from is {oldest}")]
pub struct Compacted {
    /// The smallest revision after which everything is known.
    pub oldest: Revision,
}

pub struct Feed {
    history: Mutex<History>,
    notices: broadcast::Sender<Notice>,
    applied: watch::Sender<Revision>,
}

struct History {
    revisions: VecDeque<Arc<RevisionEvents>>,
    oldest: Revision,
}

impl Feed {
    /// Of a state that is as `revision` left it.
    pub fn new(revision: Revision) -> Self {
        let history = Mutex::new(History { revisions: VecDeque::new(), oldest: revision });
        Self { history, notices: broadcast::channel(SUBSCRIBER_LAG).0, applied: watch::channel(revision).0 }
    }

    pub fn publish(&self, revision: Revision, events: Vec<Event>) {
        if !events.is_empty() {
            let events = Arc::new(RevisionEvents { revision, events });
            let mut history = self.history.lock();
            history.add(events.clone());
            // Nobody subscribed is no error.
            let _ = self.notices.send(Notice::Changed(events));
        }
        self.applied.send_replace(revision);
    }

    pub fn restored(&self, revision: Revision) {
        let mut history = self.history.lock();
        history.revisions.clear();
        history.oldest = revision;
        let _ = self.notices.send(Notice::Restored(revision));
        self.applied.send_replace(revision);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    pub fn applied(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    pub fn events_since(&self, after: Revision) -> Result<Vec<Arc<RevisionEvents>>, Compacted> {
        self.history.lock().since(after)
    }

    /// What came after a revision, and a subscription that goes on from there.
    #[allow(clippy::type_complexity)]
    pub fn resume(
        &self,
        after: Revision,
    ) -> Result<(Vec<Arc<RevisionEvents>>, broadcast::Receiver<Notice>), Compacted> {
        let history = self.history.lock();
        Ok((history.since(after)?, self.notices.subscribe()))
    }
}

impl History {
    fn add(&mut self, events: Arc<RevisionEvents>) {
        if self.revisions.len() == HISTORY_REVISIONS
            && let Some(forgotten) = self.revisions.pop_front()
        {
            self.oldest = forgotten.revision;
        }
        self.revisions.push_back(events);
    }

    fn since(&self, after: Revision) -> Result<Vec<Arc<RevisionEvents>>, Compacted> {
        if after < self.oldest {
            return Err(Compacted { oldest: self.oldest });
        }
        let from = self.revisions.partition_point(|events| events.revision <= after);
        Ok(self.revisions.range(from..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use twinrail_proto::domain::{Name, ResourceKey, ResourceKind};

    use super::*;
    use crate::state::Change;

    fn event() -> Vec<Event> {
        let key = ResourceKey { kind: ResourceKind::Lan, name: Name::new("lan").unwrap() };
        let (created, modified) = (Revision(1), Revision(1));
        vec![Event { key, change: Change::Deleted, resource: None, created, modified, created_at: 0, modified_at: 0 }]
    }

    fn revisions(events: &[Arc<RevisionEvents>]) -> Vec<u64> {
        events.iter().map(|events| events.revision.0).collect()
    }

    #[test]
    fn a_watcher_resumes_without_gap_or_repetition() {
        let feed = Feed::new(Revision(10));
        feed.publish(Revision(11), event());
        feed.publish(Revision(12), Vec::new());
        feed.publish(Revision(13), event());
        assert_eq!(*feed.applied().borrow(), Revision(13));
        let (missed, mut receiver) = feed.resume(Revision(11)).unwrap();
        assert_eq!(revisions(&missed), [13]);
        feed.publish(Revision(14), event());
        assert!(matches!(receiver.try_recv(), Ok(Notice::Changed(events)) if events.revision == Revision(14)));
        assert!(receiver.try_recv().is_err());
        assert_eq!(revisions(&feed.events_since(Revision(10)).unwrap()), [11, 13, 14]);
        assert_eq!(feed.events_since(Revision(9)), Err(Compacted { oldest: Revision(10) }));
    }

    #[test]
    fn the_history_is_bounded_and_says_where_it_begins() {
        let feed = Feed::new(Revision(0));
        let last = HISTORY_REVISIONS as u64 + 5;
        (1..=last).for_each(|revision| feed.publish(Revision(revision), event()));
        assert_eq!(feed.events_since(Revision(4)), Err(Compacted { oldest: Revision(5) }));
        assert_eq!(feed.events_since(Revision(5)).unwrap().len(), HISTORY_REVISIONS);
        assert_eq!(revisions(&feed.events_since(Revision(last - 1)).unwrap()), [last]);
    }

    #[test]
    fn a_restored_state_ends_the_history() {
        let feed = Feed::new(Revision(0));
        let mut receiver = feed.subscribe();
        feed.publish(Revision(1), event());
        feed.restored(Revision(7));
        assert_eq!(feed.events_since(Revision(1)), Err(Compacted { oldest: Revision(7) }));
        assert!(matches!(receiver.try_recv(), Ok(Notice::Changed(_))));
        assert_eq!(receiver.try_recv(), Ok(Notice::Restored(Revision(7))));
        assert_eq!(*feed.applied().borrow(), Revision(7));
    }
}
