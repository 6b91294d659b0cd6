//! What the agent must remember over a restart: the newest revision and the highest epochs, so that an old director
//! cannot lead it back. A small JSON file, replaced as a whole.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinrail_failover::agent::Memory;
use twinrail_proto::domain::{AdapterId, Epoch, Revision};

const FILE: &str = "epochs.json";

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged: {source}; delete it only if all directors of the cluster can be reached")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    revision: Revision,
    epochs: BTreeMap<AdapterId, Epoch>,
}

/// The memory's place on disk.
pub struct MemoryFile {
    folder: PathBuf,
}

impl MemoryFile {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub fn read(&self) -> Result<Memory, MemoryError> {
        let path = self.folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Memory::default()),
            Err(source) => return Err(MemoryError::Io { operation: "read", path, source }),
        };
        let stored = serde_json::from_slice(&text).map_err(|source| MemoryError::Damaged { path, source })?;
        let Stored { revision, epochs } = stored;
        Ok(Memory { revision, epochs })
    }

    /// Durable when it returns.
    pub fn write(&self, memory: &Memory) -> Result<(), MemoryError> {
        let Memory { revision, epochs } = memory;
        let stored = Stored { revision: *revision, epochs: epochs.clone() };
        let text = serde_json::to_vec(&stored).expect("numbers make JSON");
        replace(&self.folder, FILE, &text).map_err(|(operation, source)| MemoryError::Io {
            operation,
            path: self.folder.join(FILE),
            source,
        })
    }
}

/// Replaces a file as a whole: it holds the old text or the new one, whatever happens, and the new one when this returns.
pub fn replace(folder: &Path, name: &str, text: &[u8]) -> Result<(), (&'static str, std::io::Error)> {
    let temporary = folder.join(format!("{name}.new"));
    let mut file = std::fs::File::create(&temporary).map_err(|error| ("create", error))?;
    file.write_all(text).map_err(|error| ("write", error))?;
    file.sync_all().map_err(|error| ("sync", error))?;
    std::fs::rename(&temporary, folder.join(name)).map_err(|error| ("rename", error))?;
    let parent = std::fs::File::open(folder).map_err(|error| ("open the folder of", error))?;
    parent.sync_all().map_err(|error| ("sync the folder of", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = MemoryFile::new(folder.path());
        assert_eq!(file.read().unwrap(), Memory::default());
        let memory = Memory { revision: Revision(7), epochs: BTreeMap::from([(AdapterId(3), Epoch(9))]) };
        file.write(&memory).unwrap();
        assert_eq!(file.read().unwrap(), memory);
    }

    #[test]
    fn damage_is_named_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(matches!(MemoryFile::new(folder.path()).read(), Err(MemoryError::Damaged { .. })));
    }
}
