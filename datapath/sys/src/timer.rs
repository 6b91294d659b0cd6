use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::check;

/// Becomes readable again and again, at an interval of the monotonic clock.
#[derive(Debug)]
pub struct TimerFd {
    fd: OwnedFd,
}

impl TimerFd {
    pub fn every(interval: Duration) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })?;
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let timer = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
        let period = libc::timespec {
            tv_sec: interval.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(interval.subsec_nanos()),
        };
        let setting = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: `setting` outlives the call; the old setting is not asked for.
        check(unsafe { libc::timerfd_settime(timer.fd.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut()) })?;
        Ok(timer)
    }

    /// How many intervals have passed since this was last asked.
    pub fn expirations(&self) -> u64 {
        let mut count = [0u8; 8];
        // SAFETY: `count` is eight writable octets, as a timerfd wants them.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        if read == 8 { u64::from_ne_bytes(count) } else { 0 }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
