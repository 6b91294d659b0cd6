use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use twinrail_datapath_sys::{Epoll, EventFd};

use super::lock;
use super::state::State;
use crate::rail::Nanos;
use crate::san::{NotTaken, Refused, Report, Session, Tag};
use crate::scsi::{Command, TaskManagement};

/// One login, as its thread has it. What it does is in the shared state, which outlives it.
pub struct ChaosSession {
    state: Arc<Mutex<State>>,
    number: u64,
    /// Readable when the inner session is, or when the event is.
    epoll: Epoll,
    event: Arc<EventFd>,
}

/// What a session waits on: its inner one, and an event of its own.
pub fn waiting(inner: &dyn Session) -> io::Result<(Epoll, Arc<EventFd>)> {
    let (epoll, event) = (Epoll::new()?, Arc::new(EventFd::new()?));
    epoll.add(&*event, 0)?;
    if let Some(fd) = inner.fd() {
        epoll.add(&fd, 1)?;
    }
    Ok((epoll, event))
}

impl ChaosSession {
    pub fn new(state: Arc<Mutex<State>>, number: u64, epoll: Epoll, event: Arc<EventFd>) -> Self {
        Self { state, number, epoll, event }
    }
}

impl Session for ChaosSession {
    fn submit(&mut self, tag: Tag, command: Command, now: Nanos) -> Result<(), Refused> {
        lock(&self.state).submit(self.number, tag, command, now)
    }

    fn manage(&mut self, tag: Tag, request: TaskManagement, now: Nanos) -> Result<(), NotTaken> {
        lock(&self.state).manage(self.number, tag, request, now)
    }

    fn poll(&mut self, now: Nanos, into: &mut Vec<Report>) {
        lock(&self.state).poll(self.number, now, into);
    }

    fn log_out(&mut self, _now: Nanos) {
        lock(&self.state).log_out(self.number);
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.as_fd())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        lock(&self.state).next_deadline(Some(self.number))
    }
}

impl Drop for ChaosSession {
    fn drop(&mut self) {
        self.event.clear();
        lock(&self.state).cut(self.number);
    }
}
