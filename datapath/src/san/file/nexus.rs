use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use twinrail_datapath_sys::EventFd;

use crate::san::{Identity, Report, SessionEnd, Tag};
use crate::scsi::{Response, TaskAnswer};

/// One login, as the session and the disks' threads share it: the reports on their way to the session.
#[derive(Debug)]
pub struct Nexus {
    identity: Identity,
    mailbox: Mutex<Mailbox>,
    event: EventFd,
}

#[derive(Debug, Default)]
struct Mailbox {
    reports: VecDeque<Report>,
    ended: bool,
}

impl Nexus {
    pub fn new(identity: Identity) -> io::Result<Self> {
        Ok(Self { identity, mailbox: Mutex::default(), event: EventFd::new()? })
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    pub fn event(&self) -> &EventFd {
        &self.event
    }

    /// Commands of a login that has ended are not executed any more.
    pub fn is_alive(&self) -> bool {
        !self.mailbox().ended
    }

    pub fn complete(&self, tag: Tag, response: Response) {
        let mut reports = Vec::with_capacity(2);
        Report::completed(tag, response, &mut reports);
        self.post(reports);
    }

    pub fn managed(&self, tag: Tag, answer: TaskAnswer) {
        self.post([Report::Managed { tag, answer }]);
    }

    pub fn logged_in(&self) {
        self.post([Report::LoggedIn]);
    }

    /// The last word: nothing that comes later is reported.
    pub fn end(&self, why: SessionEnd) {
        let mut mailbox = self.mailbox();
        if !std::mem::replace(&mut mailbox.ended, true) {
            mailbox.reports.push_back(Report::Ended(why));
            self.event.wake();
        }
    }

    /// What was reported since the last time.
    pub fn take(&self, into: &mut Vec<Report>) {
        self.event.clear();
        into.extend(self.mailbox().reports.drain(..));
    }

    /// Bounded: a session has so many commands in flight, and each ends in one report.
    fn post(&self, reports: impl IntoIterator<Item = Report>) {
        let mut mailbox = self.mailbox();
        if !mailbox.ended {
            mailbox.reports.extend(reports);
            self.event.wake();
        }
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
