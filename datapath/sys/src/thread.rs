use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::check;

/// Sets the niceness of the calling thread alone. Values below 0 need CAP_SYS_NICE.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed. On Linux, 0 means the calling thread, not the process.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Moves the calling thread into the network namespace that the file stands for (`/run/netns/…`). Needs CAP_SYS_ADMIN.
pub fn enter_network_namespace(file: &Path) -> io::Result<()> {
    let file = File::open(file)?;
    // SAFETY: no pointers are passed; the descriptor is open.
    check(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}
