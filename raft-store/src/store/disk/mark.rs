//! The mark: how far sled's database must reach, kept outside of it.
//!
//! sled cuts its log at the first thing that it cannot read and opens as if nothing had come after: records that were
//! durable, and acknowledged, would be gone without a word. So every batch has a number; sled keeps the newest one with
//! the batch, and the mark names a number that is certainly durable. A database that is behind its mark has lost something.
//!
//! ```text
//!   slot 0 (offset 0)        slot 1 (offset 4096)       written in turns, so that a torn write leaves the other one
//!   number 8 │ crc32 4       number 8 │ crc32 4         (little endian)
//! ```
//!
//! The mark is written after each batch and synced only now and then: it may be behind (then it says less than it
//! could), never ahead.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::durable::{io_error, replace_file};
use crate::store::StoreError;

const SLOT_BYTES: usize = 12;
/// A sector, and a page: one torn write reaches no further.
const SLOT_DISTANCE: u64 = 4096;
/// A second sync for each batch would halve the speed; one a second costs nothing, and leaves a second in which a loss
/// *that comes with a power cut* could stay unnoticed. A loss without one is always noticed: the page cache has the mark.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

pub struct Mark {
    file: File,
    path: PathBuf,
    synced_at: Instant,
}

impl Mark {
    /// The number that an existing mark names; None when there is no mark.
    pub fn read(directory: &Path) -> Result<Option<u64>, StoreError> {
        let path = directory.join("mark");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open the mark", &path)(error)),
        };
        let newest = [0, SLOT_DISTANCE].into_iter().filter_map(|offset| read_slot(&file, offset)).max();
        newest.map(Some).ok_or_else(|| StoreError::Damaged {
            what: "the mark of its newest batch is unreadable".to_owned(),
            path: directory.to_owned(),
        })
    }

    /// Makes the mark, durable and naming `number`.
    pub fn create(directory: &Path, number: u64) -> Result<(), StoreError> {
        let mut bytes = vec![0; SLOT_DISTANCE as usize];
        bytes[..SLOT_BYTES].copy_from_slice(&slot(number));
        bytes.extend(slot(number));
        replace_file(directory, "mark", &bytes)
    }

    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("mark");
        let file = OpenOptions::new().write(true).open(&path).map_err(io_error("open the mark", &path))?;
        Ok(Self { file, path, synced_at: Instant::now() })
    }

    /// Call it with the number of a batch that is durable.
    pub fn advance(&mut self, number: u64) -> Result<(), StoreError> {
        let offset = number % 2 * SLOT_DISTANCE;
        self.file.write_all_at(&slot(number), offset).map_err(io_error("write the mark", &self.path))?;
        if self.synced_at.elapsed() < SYNC_INTERVAL {
            return Ok(());
        }
        self.synced_at = Instant::now();
        self.file.sync_data().map_err(io_error("sync the mark", &self.path))
    }
}

fn slot(number: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&number.to_le_bytes()).to_le_bytes());
    bytes
}

fn read_slot(file: &File, offset: u64) -> Option<u64> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, offset).ok()?;
    let number = u64::from_le_bytes(bytes[..8].try_into().expect("eight of twelve bytes"));
    (slot(number) == bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_survives_the_loss_of_either_slot() {
        let directory = tempfile::tempdir().unwrap();
        Mark::create(directory.path(), 1).unwrap();
        let mut mark = Mark::open(directory.path()).unwrap();
        mark.advance(2).unwrap();
        mark.advance(3).unwrap();
        assert_eq!(Mark::read(directory.path()).unwrap(), Some(3));

        let file = OpenOptions::new().write(true).open(directory.path().join("mark")).unwrap();
        file.write_all_at(b"torn", SLOT_DISTANCE).unwrap();
        assert_eq!(Mark::read(directory.path()).unwrap(), Some(2));
        file.write_all_at(b"torn", 0).unwrap();
        assert!(matches!(Mark::read(directory.path()), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn no_mark_is_told_from_a_bad_one() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Mark::read(directory.path()).unwrap(), None);
        std::fs::write(directory.path().join("mark"), b"").unwrap();
        assert!(Mark::read(directory.path()).is_err());
    }
}
