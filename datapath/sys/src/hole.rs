use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::check;

/// Gives the storage under a range of a file back to its file system. The range reads as zeros afterwards, the file keeps
/// its size. File systems that cannot do it say `Unsupported`.
pub fn punch_hole(file: &impl AsFd, offset: u64, length: u64) -> io::Result<()> {
    let (Ok(offset), Ok(length)) = (libc::off64_t::try_from(offset), libc::off64_t::try_from(length)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: no pointers are passed, and the descriptor is open as long as it is borrowed.
    check(unsafe { libc::fallocate64(file.as_fd().as_raw_fd(), mode, offset, length) }).map(drop)
}
