//! The real disk: sled 0.34, made durable.
//!
//! ```text
//!   <directory>/lock         held while open
//!               sled/db …    the records: one tree
//!               mark         how far the database must reach (see `mark`)
//!               files/       whole files: snapshots
//! ```
//!
//! * sled's `flush` is write + sync_file_range, not fsync: each commit ends with `sync_data` on `sled/db`.
//! * sled puts pages above 128 KiB into files of their own and never syncs those. A leaf has at most some 17 values, so
//!   a value longer than [`PART_BYTES`] is split into parts of at most that, and no page grows so large.
//! * sled writes full buffers and shortens its file in a pool of seven threads for the whole process. Where all seven wait
//!   for the lock of one that waits for the eighth task, it stands still for ever (seen in 4 of 53 runs of `sled_disk`'s
//!   tests). So each piece of a commit is flushed before the next: there is never a row of full buffers.
//! * Damaged files make sled return errors, panic, or open with less in it. The first two become
//!   [`StoreError::Damaged`] here; the third is found out by the mark.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::Mutex;

use super::durable::{self, io_error};
use super::mark::Mark;
use super::{Change, Disk, RESERVED_KEYS, Record};
use crate::store::StoreError;

/// See the module: 17 values of this size stay far below 128 KiB.
const PART_BYTES: usize = 4096;
/// Before the first part of each value: how many more parts there are.
const COUNT_BYTES: usize = 2;
/// The newest batch's number.
const NUMBER_KEY: [u8; 1] = [RESERVED_KEYS];
/// Keys of further parts: this byte, the value's key, the part's number.
const PART_PREFIX: u8 = RESERVED_KEYS + 1;
/// sled gives back no space of batches that reach over its 512 KiB segments (a million entries in batches of 1000 left
/// 700 MB behind; in pieces of this size 15 MB), so one commit is several batches, with one sync.
const PIECE_CHANGES: usize = 256;
const PIECE_BYTES: usize = 64 << 10;
/// sled's page cache. The log's tail has a cache of its own; this is for the rest of a log that is compacted regularly.
const CACHE_BYTES: u64 = 64 << 20;
/// How often sled tidies its file (and fsyncs it, which harms nobody).
const TIDY_INTERVAL_MS: u64 = 500;

pub struct SledDisk {
    // In this order they are dropped: the lock goes last.
    writer: Mutex<Writer>,
    tree: sled::Tree,
    database: sled::Db,
    database_file: File,
    files: PathBuf,
    path: PathBuf,
    _lock: File,
}

struct Writer {
    number: u64,
    /// None before the first batch.
    mark: Option<Mark>,
    /// The keys whose values have further parts, and how many.
    further_parts: BTreeMap<Vec<u8>, u16>,
}

impl SledDisk {
    /// Opens the directory, or makes it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        durable::create_directory(path)?;
        let lock = durable::lock_directory(path)?;
        let files = path.join("files");
        durable::create_directory(&files)?;
        remove_unfinished(&files)?;
        let marked = Mark::read(path)?;

        let (database, tree) = guarded(path, "open", || open_database(&path.join("sled")))?;
        durable::sync_tree(&path.join("sled"))?;
        durable::sync_directory(path)?;
        let number = guarded(path, "read", || read_number(&tree))?;
        check_number(path, number, marked)?;
        if marked.is_none() && number > 0 {
            Mark::create(path, number)?;
        }
        let mark = if number > 0 { Some(Mark::open(path)?) } else { None };
        let further_parts = guarded(path, "read", || read_everything(&tree))?;
        let database_path = path.join("sled/db");
        let database_file = File::open(&database_path).map_err(io_error("open", &database_path))?;
        let writer = Mutex::new(Writer { number, mark, further_parts });
        Ok(Self { writer, tree, database, database_file, files, path: path.to_owned(), _lock: lock })
    }

    /// How many bytes the database has on the disk, for telemetry.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.database.size_on_disk().map_err(|error| sled_error(&self.path, "measure", error))
    }

    fn read_value(&self, key: &[u8], first: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged =
            |what: &str| StoreError::Damaged { what: format!("{what} of key {key:?}"), path: self.path.clone() };
        let Some((count, first)) = first.split_first_chunk::<COUNT_BYTES>() else {
            return Err(damaged("the part count is missing"));
        };
        let mut value = first.to_vec();
        for part in 0..u16::from_le_bytes(*count) {
            let bytes = self.tree.get(part_key(key, part)).map_err(|error| sled_error(&self.path, "read", error))?;
            value.extend_from_slice(&bytes.ok_or_else(|| damaged("a part is missing"))?);
        }
        Ok(value)
    }
}

impl Disk for SledDisk {
    fn location(&self) -> &Path {
        &self.path
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        let number = writer.number + 1;
        let pieces = writer.pieces(changes, number);
        let write = |piece| self.tree.apply_batch(piece).and_then(|()| self.database.flush());
        pieces
            .into_iter()
            .try_for_each(|piece| write(piece).map(drop))
            .map_err(|error| sled_error(&self.path, "write a batch", error))?;
        self.database_file.sync_data().map_err(io_error("sync the database", &self.path))?;
        writer.number = number;
        writer.advance_mark(&self.path)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let first = self.tree.get(key).map_err(|error| sled_error(&self.path, "read", error))?;
        first.map(|first| self.read_value(key, &first)).transpose()
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for record in self.tree.range(from..to).take(limit) {
            let (key, first) = record.map_err(|error| sled_error(&self.path, "read", error))?;
            records.push((key.to_vec(), self.read_value(&key, &first)?));
        }
        Ok(records)
    }

    fn put_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        durable::replace_file(&self.files, name, bytes)
    }

    fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.files.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read the file", &path)(error)),
        }
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        list_files(&self.files)
    }

    fn remove_file(&self, name: &str) -> Result<(), StoreError> {
        let path = self.files.join(name);
        fs::remove_file(&path).map_err(io_error("remove the file", &path))?;
        durable::sync_directory(&self.files)
    }
}

impl Writer {
    /// sled applies each batch as one, and one after the other. The last one has the number.
    fn pieces(&mut self, changes: Vec<Change>, number: u64) -> Vec<sled::Batch> {
        let mut pieces = Vec::new();
        let (mut piece, mut count, mut bytes) = (sled::Batch::default(), 0, 0);
        for change in changes {
            count += 1;
            bytes += change.bytes();
            self.stage(change, &mut piece);
            if count >= PIECE_CHANGES || bytes >= PIECE_BYTES {
                pieces.push(std::mem::take(&mut piece));
                (count, bytes) = (0, 0);
            }
        }
        piece.insert(&NUMBER_KEY, &number.to_le_bytes());
        pieces.push(piece);
        pieces
    }

    fn stage(&mut self, change: Change, batch: &mut sled::Batch) {
        assert!(change.key() < &[RESERVED_KEYS][..], "key {:?} is the disk's own", change.key());
        let further_before = self.further_parts.remove(change.key()).unwrap_or(0);
        let further = match &change {
            Change::Put { key, value } => stage_value(key, value, batch),
            Change::Delete { key } => {
                batch.remove(&key[..]);
                0
            }
        };
        for part in further..further_before {
            batch.remove(part_key(change.key(), part));
        }
        if further > 0 {
            self.further_parts.insert(change.key().to_vec(), further);
        }
    }

    fn advance_mark(&mut self, path: &Path) -> Result<(), StoreError> {
        if let Some(mark) = &mut self.mark {
            return mark.advance(self.number);
        }
        Mark::create(path, self.number)?;
        self.mark = Some(Mark::open(path)?);
        Ok(())
    }
}

/// Returns how many further parts the value has.
fn stage_value(key: &[u8], value: &[u8], batch: &mut sled::Batch) -> u16 {
    let (first, rest) = value.split_at(value.len().min(PART_BYTES));
    let further = u16::try_from(rest.len().div_ceil(PART_BYTES)).expect("records are limited far below 256 MiB");
    let mut bytes = Vec::with_capacity(COUNT_BYTES + first.len());
    bytes.extend_from_slice(&further.to_le_bytes());
    bytes.extend_from_slice(first);
    batch.insert(key, bytes);
    for (part, bytes) in rest.chunks(PART_BYTES).enumerate() {
        batch.insert(part_key(key, part as u16), bytes);
    }
    further
}

fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [&[PART_PREFIX], key, &part.to_be_bytes()].concat()
}

fn open_database(path: &Path) -> sled::Result<(sled::Db, sled::Tree)> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(Some(TIDY_INTERVAL_MS));
    let started = Instant::now();
    loop {
        match config.open() {
            // Ours is the only process here (we hold the lock), so this is the file of a store that was just closed.
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock") && started.elapsed() < durable::LINGERING =>
            {
                std::thread::sleep(durable::LINGERING_POLL);
            }
            Err(error) => return Err(error),
            Ok(database) => {
                let tree = database.open_tree("records")?;
                return Ok((database, tree));
            }
        }
    }
}

fn read_number(tree: &sled::Tree) -> sled::Result<u64> {
    let bytes = tree.get(NUMBER_KEY)?;
    Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes))
}

/// Reads every page once, so that one that cannot be read is met here and not in the middle of the work.
fn read_everything(tree: &sled::Tree) -> sled::Result<BTreeMap<Vec<u8>, u16>> {
    let mut further_parts = BTreeMap::new();
    for record in tree {
        let (key, _) = record?;
        if key.first() == Some(&PART_PREFIX) && key.len() > 3 {
            *further_parts.entry(key[1..key.len() - 2].to_vec()).or_insert(0) += 1;
        }
    }
    Ok(further_parts)
}

/// The first batch may be there without a mark: the power went between the two.
fn check_number(path: &Path, number: u64, marked: Option<u64>) -> Result<(), StoreError> {
    let what = match marked {
        None if number > 1 => "the mark of its newest batch is missing".to_owned(),
        Some(marked) if number < marked => {
            format!("the newest {} of {marked} batches that were durable are missing", marked - number)
        }
        _ => return Ok(()),
    };
    Err(StoreError::Damaged { what, path: path.to_owned() })
}

/// Runs what may meet damaged files for the first time: there sled may panic, too.
fn guarded<T>(path: &Path, operation: &'static str, run: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| sled_error(path, operation, error)),
        Err(_) => Err(StoreError::Damaged {
            what: format!("sled could not {operation} its database (it panicked)"),
            path: path.to_owned(),
        }),
    }
}

fn sled_error(path: &Path, operation: &'static str, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            StoreError::Io { operation, path: path.to_owned(), source }
        }
        error => {
            StoreError::Damaged { what: format!("cannot {operation} its database: {error}"), path: path.to_owned() }
        }
    }
}

fn list_files(files: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(files).map_err(io_error("list the directory", files))? {
        let entry = entry.map_err(io_error("list the directory", files))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn remove_unfinished(files: &Path) -> Result<(), StoreError> {
    for name in list_files(files)?.iter().filter(|name| name.ends_with(durable::UNFINISHED)) {
        let path = files.join(name);
        fs::remove_file(&path).map_err(io_error("remove the unfinished file", &path))?;
    }
    Ok(())
}
