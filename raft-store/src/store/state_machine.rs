//! The replicated state behind openraft: committed entries go in, one by one; answers, events and snapshots come out.
//!
//! The state is in memory. After a restart it is that of the newest snapshot, and openraft applies the committed entries
//! after it again. A rejection is an answer like any other: every director gives the same one.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, LogIdOptionExt, OptionalSend, RaftSnapshotBuilder};
use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};
use tokio::sync::{broadcast, watch};
use twinrail_proto::domain::Revision;

use super::feed::{Feed, RevisionEvents};
use super::snapshot::{self, Image, Snapshots};
use super::{Checks, Compacted, Notice, StoreError};
use crate::raft::{Entry, LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::state::{Applied, Audience, Outcome, State};

/// The state, and how far the log is in it.
#[derive(Clone, Default)]
struct Machine {
    state: State,
    last_applied: Option<LogId>,
    membership: StoredMembership,
}

impl Machine {
    fn revision(&self) -> Revision {
        Revision(self.last_applied.index().unwrap_or(0))
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last_applied, last_membership: self.membership.clone() }
    }
}

impl From<Image> for Machine {
    fn from(Image { meta, state }: Image) -> Self {
        Self { state, last_applied: meta.last_log_id, membership: meta.last_membership }
    }
}

/// openraft's handle: the only one that changes the state.
pub struct StateMachine {
    machine: Arc<RwLock<Machine>>,
    feed: Arc<Feed>,
    snapshots: Arc<Snapshots>,
    checks: Checks,
}

/// Everybody else's handle.
#[derive(Clone)]
pub struct StateView {
    machine: Arc<RwLock<Machine>>,
    feed: Arc<Feed>,
}

impl StateView {
    /// The state as it is now, locked against changes: keep it short, and never across an `await`.
    pub fn read(&self) -> MappedRwLockReadGuard<'_, State> {
        RwLockReadGuard::map(self.machine.read(), |machine| &machine.state)
    }

    /// The last applied revision, whether it changed anything or not.
    pub fn applied(&self) -> watch::Receiver<Revision> {
        self.feed.applied()
    }

    /// From now on. A receiver that lags behind goes on with [`Self::resume`].
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.feed.subscribe()
    }

    /// Everything that changed after a revision.
    pub fn events_since(&self, after: Revision) -> Result<Vec<Arc<RevisionEvents>>, Compacted> {
        self.feed.events_since(after)
    }

    /// Everything that changed after a revision, and a subscription that goes on from there.
    pub fn resume(
        &self,
        after: Revision,
    ) -> Result<(Vec<Arc<RevisionEvents>>, broadcast::Receiver<Notice>), Compacted> {
        self.feed.resume(after)
    }
}

impl StateMachine {
    pub(super) fn new(image: Option<Image>, snapshots: Arc<Snapshots>, checks: Checks) -> Self {
        let machine = image.map(Machine::from).unwrap_or_default();
        let feed = Arc::new(Feed::new(machine.revision()));
        Self { machine: Arc::new(RwLock::new(machine)), feed, snapshots, checks }
    }

    pub fn view(&self) -> StateView {
        StateView { machine: self.machine.clone(), feed: self.feed.clone() }
    }

    fn apply_entry(&self, audience: Audience, entry: Entry) -> Result<Outcome, StoreError> {
        let log_id = entry.log_id();
        let revision = Revision(log_id.index());
        let mut machine = self.machine.write();
        let outcome = match entry.payload {
            EntryPayload::Normal(proposal) => {
                let command = proposal.command().map_err(|source| StoreError::Unreadable { revision, source })?;
                machine.state.apply_for(audience, revision, &command)
            }
            EntryPayload::Blank => Ok(Applied { revision, ..Applied::default() }),
            EntryPayload::Membership(membership) => {
                machine.membership = StoredMembership::new(Some(log_id), membership);
                Ok(Applied { revision, ..Applied::default() })
            }
        };
        machine.last_applied = Some(log_id);
        if self.checks == Checks::EveryApply {
            check(revision, &machine.state)?;
        }
        drop(machine);
        let changed = outcome.as_ref().ok().filter(|applied| !applied.replayed);
        self.feed.publish(revision, changed.map(|applied| applied.events.clone()).unwrap_or_default());
        Ok(outcome)
    }
}

fn check(revision: Revision, state: &State) -> Result<(), StoreError> {
    state.validate().map_err(|violations| {
        let violations = violations.iter().map(|violation| format!("{violation:?}")).collect::<Vec<_>>().join("; ");
        StoreError::InvariantsBroken { revision, violations }
    })
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let machine = self.machine.read();
        Ok((machine.last_applied, machine.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let audience = if responder.is_some() { Audience::People } else { Audience::Nobody };
            let outcome = self.apply_entry(audience, entry)?;
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        let machine = self.machine.read().clone();
        SnapshotBuilder { machine: Some(machine), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Vec<u8>) -> io::Result<()> {
        let (snapshots, meta) = (self.snapshots.clone(), meta.clone());
        let install = move || {
            let image = snapshot::decode_received(&snapshot)?;
            if image.meta != meta {
                let what = format!("it says {} and contains {}", meta, image.meta);
                return Err(StoreError::BadSnapshot { what });
            }
            snapshots.keep_received(&meta, &snapshot)?;
            Ok(Machine::from(image))
        };
        let installed = blocking(install).await?;
        let revision = installed.revision();
        *self.machine.write() = installed;
        self.feed.restored(revision);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let snapshots = self.snapshots.clone();
        let newest = blocking(move || snapshots.newest()).await?;
        Ok(newest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// A copy of the state as it was when the builder was made: entries are applied on while it is written.
pub struct SnapshotBuilder {
    /// None once it is built.
    machine: Option<Machine>,
    snapshots: Arc<Snapshots>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let snapshots = self.snapshots.clone();
        let machine = self.machine.take().ok_or_else(|| io::Error::other("this snapshot was built before"))?;
        let build = move || {
            let meta = machine.meta();
            let snapshot = snapshot::encode(&meta, &machine.state)?;
            snapshots.keep_built(&meta, &snapshot)?;
            Ok(Snapshot { meta, snapshot })
        };
        Ok(blocking(build).await?)
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Closed)?
}
