use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::check;

/// Waits for many descriptors at once, level-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Room for what one wait reports.
#[derive(Debug)]
pub struct Events {
    events: Vec<libc::epoll_event>,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What was given when the descriptor was added.
    pub token: u64,
    pub readable: bool,
    /// An error waits to be read.
    pub error: bool,
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    pub fn add(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: both descriptors are open as long as they are borrowed, and `event` outlives the call.
        let result = unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_fd().as_raw_fd(), &raw mut event)
        };
        check(result).map(drop)
    }

    /// Whether to report that the descriptor can be written to as well.
    pub fn set_writable(&self, fd: &impl AsFd, token: u64, writable: bool) -> io::Result<()> {
        let events = libc::EPOLLIN | if writable { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: both descriptors are open as long as they are borrowed, and `event` outlives the call.
        let result = unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_MOD, fd.as_fd().as_raw_fd(), &raw mut event)
        };
        check(result).map(drop)
    }

    pub fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        // SAFETY: both descriptors are open as long as they are borrowed; EPOLL_CTL_DEL ignores the event.
        let result = unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_fd().as_raw_fd(), std::ptr::null_mut())
        };
        check(result).map(drop)
    }

    /// Waits until something is ready or the time is over; None: for ever. A signal ends the wait with nothing ready.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map_or(-1, |it| it.as_millis().min(i32::MAX as u128) as i32);
        events.count = 0;
        let room = events.events.len() as libc::c_int;
        // SAFETY: `events.events` has `room` elements for the kernel to write to.
        let result = check(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.events.as_mut_ptr(), room, timeout) });
        match result {
            Ok(count) => events.count = count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Readable when something is ready in it: one epoll may wait in another.
impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Events {
    /// At least one.
    pub fn with_room_for(count: usize) -> Self {
        Self { events: vec![libc::epoll_event { events: 0, u64: 0 }; count.max(1)], count: 0 }
    }

    pub fn iter(&self) -> impl Iterator<Item = Readiness> + '_ {
        self.events[..self.count].iter().map(|event| {
            let (flags, token) = (event.events as libc::c_int, event.u64);
            Readiness {
                token,
                readable: flags & (libc::EPOLLIN | libc::EPOLLHUP) != 0,
                error: flags & libc::EPOLLERR != 0,
            }
        })
    }
}
