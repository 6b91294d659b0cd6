use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// To whom a socket's file belongs, by number; None: unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("{0:?} is no path of a socket: it has no folder or no name")]
    Path(PathBuf),
    #[error("another process serves {0:?}")]
    Served(PathBuf),
    #[error("{0:?} is there already, and is no socket")]
    NoSocket(PathBuf),
    #[error("the folder of {0:?} is locked by somebody else")]
    Locked(PathBuf),
    #[error("cannot {operation} {path:?}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

/// How long to wait for another process that makes a socket in the same folder.
const LOCK: Duration = Duration::from_secs(2);

/// A listening socket with its file, which goes with it.
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode: another process may have put its own file there since.
    file: (u64, u64),
}

impl Listener {
    /// The file gets its name when mode and owner are right, so nobody comes in before. The folder is locked meanwhile:
    /// of two processes that start at once, the second finds the first.
    pub fn open(path: &Path, mode: u32, owner: Option<Owner>) -> Result<Self, SocketError> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SocketError::Path(path.into()));
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let _locked = lock(folder, path)?;
        check_free(path)?;
        let mut first_name = OsString::from(".");
        first_name.push(name);
        first_name.push(format!(".{}", std::process::id()));
        let first = folder.join(first_name);
        let made = Self::make(&first, path, mode, owner);
        if made.is_err() {
            // It may not have been made at all.
            let _ = std::fs::remove_file(&first);
        }
        made
    }

    fn make(first: &Path, path: &Path, mode: u32, owner: Option<Owner>) -> Result<Self, SocketError> {
        let fail = |operation| move |source| SocketError::Io { operation, path: path.into(), source };
        match std::fs::remove_file(first) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fail("clear the way for")(error)),
            _ => {}
        }
        let socket = UnixListener::bind(first).map_err(fail("listen on"))?;
        socket.set_nonblocking(true).map_err(fail("listen on"))?;
        if let Some(Owner { user, group }) = owner {
            std::os::unix::fs::chown(first, user, group).map_err(fail("set the owner of"))?;
        }
        std::fs::set_permissions(first, Permissions::from_mode(mode)).map_err(fail("set the permissions of"))?;
        let metadata = std::fs::symlink_metadata(first).map_err(fail("look at"))?;
        std::fs::rename(first, path).map_err(fail("name"))?;
        Ok(Self { socket, path: path.into(), file: (metadata.dev(), metadata.ino()) })
    }

    /// None: the client has left already.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        match self.socket.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Ok(None),
                _ => Err(error),
            },
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|it| (it.dev(), it.ino()) == self.file);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = ?self.path, "nbd: cannot remove the socket");
        }
    }
}

fn lock(folder: &Path, path: &Path) -> Result<File, SocketError> {
    let fail = |source| SocketError::Io { operation: "lock the folder of", path: path.into(), source };
    let file = File::open(folder).map_err(fail)?;
    let deadline = Instant::now() + LOCK;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::Error(error)) => return Err(fail(error)),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(SocketError::Locked(path.into()));
            }
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Nothing is there, or the socket of a process that does not listen any more.
fn check_free(path: &Path) -> Result<(), SocketError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::Io { operation: "look at", path: path.into(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(SocketError::NoSocket(path.into())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        // Whatever else it is, somebody holds it.
        _ => Err(SocketError::Served(path.into())),
    }
}
