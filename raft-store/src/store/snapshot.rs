//! Snapshots: the whole state at one log id, as one file beside the log.
//!
//! ```text
//!   files/snapshot-00000000000000004711      the entries 0..4711 are in it
//! ```
//!
//! * A snapshot is durable before the log is purged: Raft purges only what the newest snapshot has.
//! * There is one; the one before it is removed when the new one is durable.
//! * It is a file and not records, so that megabytes of state do not travel through the log's batches.
//! * What is sent to another director is the file as it is, with its checksum.

use std::path::Path;
use std::sync::Arc;

use openraft::LogIdOptionExt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::{Counters, StoreError, record};
use crate::raft::SnapshotMeta;
use crate::state::State;

/// All snapshots are sealed for the same place: they are sent from one director to the other.
const PLACE: &[u8] = b"snapshot";
const NAME_PREFIX: &str = "snapshot-";

/// What is in the file.
#[derive(Deserialize)]
pub struct Image {
    pub meta: SnapshotMeta,
    pub state: State,
}

#[derive(Serialize)]
struct ImageRef<'a> {
    meta: &'a SnapshotMeta,
    state: &'a State,
}

pub fn encode(meta: &SnapshotMeta, state: &State) -> Result<Vec<u8>, StoreError> {
    record::seal("a snapshot", PLACE, &ImageRef { meta, state })
}

/// Of bytes that came from another director: unusable ones are no damage of this store.
pub fn decode_received(bytes: &[u8]) -> Result<Image, StoreError> {
    decode(bytes, Path::new("a message")).map_err(|error| match error {
        StoreError::Damaged { what, .. } => StoreError::BadSnapshot { what },
        other => other,
    })
}

fn decode(bytes: &[u8], path: &Path) -> Result<Image, StoreError> {
    record::unseal("the snapshot", PLACE, bytes, path)
}

/// Keeps the newest snapshot. All calls block.
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    counters: Arc<Counters>,
    newest: Mutex<Option<SnapshotMeta>>,
}

impl Snapshots {
    /// Reads the newest snapshot, and removes those that it replaced.
    pub fn open(disk: Arc<dyn Disk>, counters: Arc<Counters>) -> Result<(Arc<Self>, Option<Image>), StoreError> {
        let newest = disk.file_names()?.into_iter().rfind(|name| name.starts_with(NAME_PREFIX));
        let image = match newest.as_deref().map(|name| disk.get_file(name)).transpose()?.flatten() {
            Some(bytes) => Some(decode(&bytes, disk.location())?),
            None => None,
        };
        let meta = image.as_ref().map(|image| image.meta.clone());
        let snapshots = Arc::new(Self { disk, counters, newest: Mutex::new(meta.clone()) });
        if let Some(meta) = meta {
            snapshots.remove_all_but(&name(&meta))?;
        }
        Ok((snapshots, image))
    }

    /// Keeps a snapshot that was built here, unless a newer one was installed in the meantime.
    pub fn keep_built(&self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), StoreError> {
        self.keep(meta, bytes)?;
        self.counters.snapshot_built(bytes.len());
        Ok(())
    }

    /// Keeps a snapshot that came from another director.
    pub fn keep_received(&self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), StoreError> {
        self.keep(meta, bytes)?;
        self.counters.snapshot_installed(bytes.len());
        Ok(())
    }

    pub fn newest(&self) -> Result<Option<(SnapshotMeta, Vec<u8>)>, StoreError> {
        let newest = self.newest.lock();
        let Some(meta) = newest.as_ref() else { return Ok(None) };
        let bytes = self.disk.get_file(&name(meta))?;
        let bytes = bytes.ok_or_else(|| StoreError::Damaged {
            what: format!("its snapshot {} is missing", name(meta)),
            path: self.disk.location().to_owned(),
        })?;
        Ok(Some((meta.clone(), bytes)))
    }

    fn keep(&self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), StoreError> {
        let mut newest = self.newest.lock();
        if newest.as_ref().is_some_and(|newest| newest.last_log_id > meta.last_log_id) {
            return Ok(());
        }
        self.disk.put_file(&name(meta), bytes)?;
        *newest = Some(meta.clone());
        self.remove_all_but(&name(meta))
    }

    fn remove_all_but(&self, kept: &str) -> Result<(), StoreError> {
        let names = self.disk.file_names()?;
        let mut replaced = names.iter().filter(|name| name.starts_with(NAME_PREFIX) && *name != kept);
        replaced.try_for_each(|name| self.disk.remove_file(name))
    }
}

fn name(meta: &SnapshotMeta) -> String {
    format!("{NAME_PREFIX}{:020}", meta.last_log_id.next_index())
}
