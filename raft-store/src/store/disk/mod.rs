//! The edge to the disk, and its twins.
//!
//! ```text
//!              Disk: ordered records, changed durably; whole files beside them
//!          ┌─────┴──────┐
//!      SledDisk     ChaosDisk
//!      sled 0.34,   in memory; keeps a journal of every durable write, can be cut at any byte of it
//!      made durable and reopened, can be damaged, can begin to fail
//! ```
//!
//! What each twin guarantees, and what the rest of the store relies on:
//!
//! * `commit` and `put_file` are durable when they return.
//! * They are ordered: after a power cut a beginning of all changes is there, in the order in which they were made. Each
//!   single change is there whole or not at all; a commit of many may be cut between two of them.
//! * Anything less is reported as [`StoreError::Damaged`] when the disk is opened, as far as the disk can know.

mod chaos;
mod durable;
mod mark;
mod sled_disk;

use std::path::Path;

pub use chaos::ChaosDisk;
pub use sled_disk::SledDisk;

use super::StoreError;

/// First byte of the keys that a twin may use for itself: callers' keys begin below it.
pub const RESERVED_KEYS: u8 = 0xFE;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put { key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
}

impl Change {
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// What it adds to the size of a batch.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
        }
    }
}

/// A place that keeps records and files. All calls block.
pub trait Disk: Send + Sync + 'static {
    /// Where it is, for messages.
    fn location(&self) -> &Path;

    /// Applies the changes in order, and returns when they are durable.
    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError>;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` records with `from <= key < to`, in the order of the keys.
    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Writes or replaces a whole file, and returns when it is durable.
    fn put_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// In order.
    fn file_names(&self) -> Result<Vec<String>, StoreError>;

    fn remove_file(&self, name: &str) -> Result<(), StoreError>;
}
