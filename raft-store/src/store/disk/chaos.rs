//! The chaos twin of the disk: in memory, with a journal of everything that was ever made durable.
//!
//! ```text
//!   journal:  [frame][frame][frame][fra            every change of a record or file is one frame: length, CRC, content
//!                          ▲          ▲
//!                          │          cut here: the torn frame is lost, as a write that was never synced
//!                          durable up to here when the third write returned
//! ```
//!
//! A test runs its writes against one disk, notes [`ChaosDisk::written`] whenever something is acknowledged, and then
//! cuts the power at any byte: [`ChaosDisk::cut`] is the disk that is found afterwards. It can also damage records as no
//! power cut does, and let writes fail.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Change, Disk, RESERVED_KEYS, Record};
use crate::store::StoreError;

const FRAME_HEADER_BYTES: usize = 8;

/// Clones are handles to the same disk: keep one, and the contents outlive the store that uses the other.
#[derive(Clone, Default)]
pub struct ChaosDisk {
    contents: Arc<Mutex<Contents>>,
}

#[derive(Default)]
struct Contents {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    journal: Vec<u8>,
    /// So many more writes succeed; None: all.
    writes_left: Option<usize>,
}

#[derive(Serialize, Deserialize)]
enum Frame {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    PutFile(String, Vec<u8>),
    RemoveFile(String),
}

impl ChaosDisk {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes were made durable so far.
    pub fn written(&self) -> usize {
        self.contents.lock().journal.len()
    }

    /// The disk as it is found when the power went after `bytes` bytes: a frame that is not whole is lost.
    pub fn cut(&self, bytes: usize) -> Self {
        let journal = self.contents.lock().journal[..bytes].to_vec();
        let mut contents = Contents::default();
        let mut rest = &journal[..];
        while let Some((frame, after)) = next_frame(rest) {
            contents.apply(frame);
            rest = after;
        }
        contents.journal = journal[..journal.len() - rest.len()].to_vec();
        Self { contents: Arc::new(Mutex::new(contents)) }
    }

    /// Lets `writes` more writes succeed, and every later one fail as a full disk does.
    pub fn fail_after(&self, writes: usize) {
        self.contents.lock().writes_left = Some(writes);
    }

    /// Changes the records behind the store's back.
    pub fn damage_records(&self, damage: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>)) {
        damage(&mut self.contents.lock().records);
    }

    /// Changes the files behind the store's back.
    pub fn damage_files(&self, damage: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        damage(&mut self.contents.lock().files);
    }

    fn write(&self, operation: &'static str, frames: Vec<Frame>) -> Result<(), StoreError> {
        let mut contents = self.contents.lock();
        if let Some(left) = &mut contents.writes_left {
            let Some(fewer) = left.checked_sub(1) else {
                let source = io::ErrorKind::StorageFull.into();
                return Err(StoreError::Io { operation, path: self.location().to_owned(), source });
            };
            *left = fewer;
        }
        for frame in frames {
            contents.note(&frame);
            contents.apply(frame);
        }
        Ok(())
    }
}

impl Contents {
    fn note(&mut self, frame: &Frame) {
        let bytes = rmp_serde::to_vec(frame).expect("a frame has only bytes and names");
        self.journal.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.journal.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        self.journal.extend_from_slice(&bytes);
    }

    fn apply(&mut self, frame: Frame) {
        match frame {
            Frame::Put(key, value) => {
                self.records.insert(key, value);
            }
            Frame::Delete(key) => {
                self.records.remove(&key);
            }
            Frame::PutFile(name, bytes) => {
                self.files.insert(name, bytes);
            }
            Frame::RemoveFile(name) => {
                self.files.remove(&name);
            }
        }
    }
}

fn next_frame(journal: &[u8]) -> Option<(Frame, &[u8])> {
    let (header, rest) = journal.split_at_checked(FRAME_HEADER_BYTES)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(header[4..].try_into().ok()?);
    let (bytes, after) = rest.split_at_checked(length)?;
    if crc32fast::hash(bytes) != crc {
        return None;
    }
    Some((rmp_serde::from_slice(bytes).ok()?, after))
}

impl Disk for ChaosDisk {
    fn location(&self) -> &Path {
        Path::new("memory")
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let frame = |change| match change {
            Change::Put { key, value } => Frame::Put(key, value),
            Change::Delete { key } => Frame::Delete(key),
        };
        assert!(changes.iter().all(|change| change.key() < &[RESERVED_KEYS][..]), "a key is the disk's own");
        self.write("write a batch", changes.into_iter().map(frame).collect())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.contents.lock().records.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        let contents = self.contents.lock();
        let range = contents.records.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn put_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write("write the file", vec![Frame::PutFile(name.to_owned(), bytes.to_owned())])
    }

    fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.contents.lock().files.get(name).cloned())
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.contents.lock().files.keys().cloned().collect())
    }

    fn remove_file(&self, name: &str) -> Result<(), StoreError> {
        self.write("remove the file", vec![Frame::RemoveFile(name.to_owned())])
    }
}
