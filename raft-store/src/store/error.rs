//! What can go wrong between the store and its disk.

use std::io;
use std::path::PathBuf;

use twinrail_proto::domain::{DirectorId, Revision};

/// An error names the operation and the place, and keeps its source. None of them is deterministic: a director that
/// meets one stops, because the others did not meet it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {operation} at {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },

    #[error("the store in {path} is in use by another process: one directory serves one director")]
    InUse { path: PathBuf },

    /// Never repaired by itself: what is missing may have been acknowledged.
    #[error(
        "the store in {path} is damaged: {what}. It is left as it is, because what it lost may have been acknowledged. \
         The way back: remove this director from the cluster (`twinrail director remove`), move the directory {path} \
         away, and join again under a new id as a new voter: `twinrail director add` with that id, start this director \
         with that id and `join = true` in its configuration, and name its uplinks anew (`twinrail lan update --uplink`)"
    )]
    Damaged { what: String, path: PathBuf },

    #[error(
        "the store in {path} belongs to cluster '{found}', not to '{wanted}': give this director another directory"
    )]
    OtherCluster { path: PathBuf, found: String, wanted: String },

    #[error(
        "the store in {path} belongs to director {found}, not to director {wanted}: give this one another directory"
    )]
    OtherDirector { path: PathBuf, found: DirectorId, wanted: DirectorId },

    #[error("the store in {path} has format {found}, and this program knows formats up to {known}: use a newer one")]
    NewerFormat { path: PathBuf, found: u8, known: u8 },

    #[error("cannot encode {what}: {source}")]
    Encode { what: &'static str, source: rmp_serde::encode::Error },

    #[error("the command of log entry {revision} cannot be read: {source}; is this director's program too old?")]
    Unreadable { revision: Revision, source: rmp_serde::decode::Error },

    #[error("a record of {length} bytes is longer than the limit of {limit}")]
    RecordTooLong { length: usize, limit: usize },

    #[error("the snapshot that was received is unusable: {what}")]
    BadSnapshot { what: String },

    #[error("log entries {from}.. do not follow the last one; the next index is {next}")]
    Gap { from: u64, next: u64 },

    /// After a failed write nobody knows what is on the disk: nothing more is written until the store is opened again.
    #[error("the store takes no more writes since an earlier one failed: {first}")]
    Stopped { first: String },

    #[error("the store is closed")]
    Closed,

    /// A programming error: what was applied left a state that must not be.
    #[error("the state after revision {revision} breaks its invariants: {violations}")]
    InvariantsBroken { revision: Revision, violations: String },

    #[error("cannot start the flusher thread: {0}")]
    Thread(#[source] io::Error),
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
