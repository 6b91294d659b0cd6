//! Files and directories whose changes survive a power cut. On Linux a file's bytes, and its name in its directory, are
//! two things, each with an fsync of its own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// The ending of a file that is being written: it is ignored, and removed when the store is opened.
pub const UNFINISHED: &str = ".unfinished";

/// Raft's tasks and sled's threads hold their files for a moment after they were told to end. Longer: it is in use.
pub const LINGERING: Duration = Duration::from_secs(2);
pub const LINGERING_POLL: Duration = Duration::from_millis(10);

pub fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { operation, path: path.to_owned(), source }
}

/// Makes a directory and those above it, each durable in its parent.
pub fn create_directory(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_directory(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error("create the directory", path)(error))
        }
        _ => sync_directory(parent),
    }
}

pub fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io_error("sync the directory", path))
}

/// Fsyncs every file and directory below `path`, and `path` itself.
pub fn sync_tree(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(io_error("list the directory", path))? {
        let entry = entry.map_err(io_error("list the directory", path))?.path();
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else {
            File::open(&entry).and_then(|file| file.sync_all()).map_err(io_error("sync the file", &entry))?;
        }
    }
    sync_directory(path)
}

/// Writes a file beside its place, and renames it there when it is durable: at every moment the old one or the new one
/// is there whole.
pub fn replace_file(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = directory.join(format!("{name}{UNFINISHED}"));
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error("write the file", &unfinished))?;
    let finished = directory.join(name);
    fs::rename(&unfinished, &finished).map_err(io_error("rename a file to", &finished))?;
    sync_directory(directory)
}

/// Takes the lock that says who owns the directory. It is given back when the file is dropped, or the process ends; an
/// owner that is just closing is waited for, for [`LINGERING`].
pub fn lock_directory(path: &Path) -> Result<File, StoreError> {
    let lock = path.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
    let file = file.map_err(io_error("open the lock file", &lock))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &lock)(source)),
            Err(TryLockError::WouldBlock) if started.elapsed() < LINGERING => std::thread::sleep(LINGERING_POLL),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.to_owned() }),
        }
    }
}
