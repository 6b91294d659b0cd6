//! The Raft log, the vote and the snapshots of one director, durable; and the replicated state that is built from them.
//!
//! ```text
//!            openraft
//!      ┌────────┴─────────┐
//!   LogStore          StateMachine ──▶ StateView: read, subscribe, resume      what the director and the API use
//!   memory view,      State, applied entry by entry
//!   queue, flusher    snapshots: built from a copy, kept as files
//!      └────────┬─────────┘
//!             Disk ◀── SledDisk, ChaosDisk
//! ```
//!
//! Guarantees:
//!
//! * What Raft was told is durable, is: on the disk, after fsync. A power cut at any write loses none of it.
//! * Many writers share a sync (`flusher`).
//! * Every record has a checksum; a store that lost something says so and refuses to open ([`StoreError::Damaged`]). It
//!   is never silently emptied: a director that forgot its vote could elect two leaders.
//! * One directory serves one director of one cluster, and one process at a time.

mod counters;
pub mod disk;
mod error;
mod feed;
mod flusher;
mod identity;
mod keys;
mod log_store;
mod log_view;
mod queue;
mod record;
mod recovery;
mod snapshot;
mod state_machine;

use std::path::Path;
use std::sync::Arc;

pub use counters::{Counters, CountersView};
pub use error::StoreError;
pub use feed::{Compacted, HISTORY_REVISIONS, Notice, RevisionEvents, SUBSCRIBER_LAG};
pub use identity::Identity;
pub use log_store::{LogReader, LogStore, REPLICATION_BYTES};
pub use log_view::{CACHE_BYTES, CACHE_ENTRIES};
pub use queue::QUEUE_LIMIT;
pub use state_machine::{SnapshotBuilder, StateMachine, StateView};

use disk::{Disk, SledDisk};
use snapshot::Snapshots;

/// An open store: give `log` and `machine` to Raft, keep the rest. It is closed when Raft has dropped both.
pub struct Store {
    /// As recorded: the store id is that of the first open.
    pub identity: Identity,
    pub log: LogStore,
    pub machine: StateMachine,
    pub view: StateView,
    pub counters: Arc<Counters>,
}

impl Store {
    /// Opens the store in a directory, or makes it. Blocks.
    pub fn open_directory(path: &Path, wanted: Identity, checks: Checks) -> Result<Self, StoreError> {
        Self::open(Arc::new(SledDisk::open(path)?), wanted, checks)
    }

    /// Opens the store on a disk, or makes it. Blocks.
    pub fn open(disk: Arc<dyn Disk>, wanted: Identity, checks: Checks) -> Result<Self, StoreError> {
        let identity = identity::claim(&*disk, wanted)?;
        let counters = Arc::<Counters>::default();
        let (snapshots, image) = Snapshots::open(disk.clone(), counters.clone())?;
        let reached = image.as_ref().and_then(|image| image.meta.last_log_id);
        let view = recovery::recover(&*disk, reached)?;
        tracing::info!(
            path = %disk.location().display(),
            snapshot = ?reached.map(|id| id.index()),
            last = ?view.last().map(|id| id.index()),
            "store opened"
        );
        let log = LogStore::start(view, disk, counters.clone())?;
        let machine = StateMachine::new(image, snapshots, checks);
        Ok(Self { identity, log, view: machine.view(), machine, counters })
    }
}

/// Whether the state's invariants are checked after every apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Tests and simulation: the cost grows with the state.
    EveryApply,
    None,
}
