use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use crate::check;

/// What to wait for at a descriptor. An error or a hang-up is always waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub readable: bool,
    pub writable: bool,
    /// Both ends are shut, or there is an error: nothing can be written.
    pub closed: bool,
}

impl Interest {
    pub const READ: Self = Self { read: true, write: false };
}

impl Ready {
    pub fn any(self) -> bool {
        self.readable || self.writable || self.closed
    }
}

/// Waits until one of a few descriptors is ready or the time is over; None: for ever. A signal ends the wait with nothing
/// ready. Times are rounded up to milliseconds.
pub fn wait_ready<const N: usize>(
    watched: [(&dyn AsFd, Interest); N],
    timeout: Option<Duration>,
) -> io::Result<[Ready; N]> {
    let mut polled = watched.map(|(fd, interest)| {
        let flag = |wanted: bool, flag: libc::c_short| if wanted { flag } else { 0 };
        let events = flag(interest.read, libc::POLLIN) | flag(interest.write, libc::POLLOUT);
        libc::pollfd { fd: fd.as_fd().as_raw_fd(), events, revents: 0 }
    });
    let timeout = timeout.map_or(-1, |it| it.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32);
    // SAFETY: `polled` has N elements for the kernel to write to, and the descriptors are borrowed for the call.
    match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) }) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok([Ready::default(); N]),
        Err(error) => return Err(error),
    }
    Ok(polled.map(|it| Ready {
        readable: it.revents & libc::POLLIN != 0,
        writable: it.revents & libc::POLLOUT != 0,
        closed: it.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    }))
}
