use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use twinrail_datapath_sys::EventFd;

use super::SanFaults;
use crate::rail::Nanos;
use crate::san::{Identity, NotTaken, Report, Session, SessionEnd, Tag};
use crate::scsi::{Command, Lun, Response, Status};

/// When to look again for a write that was held and is being executed, ns.
const LATE_WRITE: Nanos = 1_000_000;

/// One login: its session at the inner SAN, and what is held up of it.
pub struct Branch {
    pub identity: Identity,
    inner: Box<dyn Session>,
    /// In the order in which they are due.
    held: VecDeque<Held>,
    /// Writes that were held, on their way at last.
    late: BTreeMap<Tag, Lun>,
    reports: VecDeque<Report>,
    event: Arc<EventFd>,
    /// The inner login has been answered.
    admitted: bool,
    /// When the login may be answered; None: it has been.
    answer_login_at: Option<Nanos>,
    /// Nobody hears its reports any more; it exists for what it holds.
    over: bool,
    /// Its session was dropped.
    abandoned: bool,
}

/// A write that comes late.
struct Held {
    due: Nanos,
    tag: Tag,
    command: Command,
}

impl Branch {
    pub fn new(identity: Identity, inner: Box<dyn Session>, event: Arc<EventFd>, answer_login_at: Nanos) -> Self {
        Self {
            identity,
            inner,
            held: VecDeque::new(),
            late: BTreeMap::new(),
            reports: VecDeque::new(),
            event,
            admitted: false,
            answer_login_at: Some(answer_login_at),
            over: false,
            abandoned: false,
        }
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// It has nothing left to do, and nobody to tell.
    pub fn is_spent(&self) -> bool {
        self.abandoned && self.held.is_empty() && self.late.is_empty()
    }

    /// Until when it may have writes that are held, or on their way; None: it has none.
    pub fn busy_until(&self, now: Nanos) -> Option<Nanos> {
        let late = (!self.late.is_empty()).then_some(now + LATE_WRITE);
        self.held.iter().map(|it| it.due.max(now)).chain(late).max()
    }

    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether it takes commands.
    pub fn check_open(&self) -> Result<(), NotTaken> {
        let open = !self.over && self.admitted && self.answer_login_at.is_none();
        if open { Ok(()) } else { Err(NotTaken::NotOpen) }
    }

    pub fn inner(&mut self) -> &mut dyn Session {
        &mut *self.inner
    }

    pub fn hold(&mut self, due: Nanos, tag: Tag, command: Command) {
        let place = self.held.partition_point(|it| it.due <= due);
        self.held.insert(place, Held { due, tag, command });
    }

    /// Lets go of held commands at this LUN. True: there were some. Others than who asked for it are told.
    pub fn drop_held(&mut self, lun: Lun, tag: Option<Tag>, tell: bool) -> bool {
        // Those on their way end by the same function at the inner SAN.
        self.late.retain(|it, at| *at != lun || tag.is_some_and(|tag| tag != *it));
        let named = |held: &Held| held.command.lun == lun && tag.is_none_or(|it| it == held.tag);
        let (dropped, kept): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(named);
        self.held = kept.into();
        if tell {
            for held in &dropped {
                let response = Response::with_status(Status::TaskAborted);
                self.post(Report::Completed { tag: held.tag, response });
            }
        }
        !dropped.is_empty()
    }

    pub fn post(&mut self, report: Report) {
        if !self.over {
            self.reports.push_back(report);
            self.event.wake();
        }
    }

    /// The session is over; what it holds is not.
    pub fn end(&mut self, why: SessionEnd) {
        self.post(Report::Ended(why));
        self.over = true;
        self.answer_login_at = None;
    }

    /// Nobody takes its reports any more.
    pub fn abandon(&mut self) {
        self.end(SessionEnd::Closed);
        self.abandoned = true;
    }

    /// Executes what is due, and gathers what the inner session has to say.
    pub fn drive(&mut self, now: Nanos, faults: &SanFaults, random: &mut SmallRng) {
        self.submit_due(now);
        let mut reports = Vec::new();
        self.inner.poll(now, &mut reports);
        for report in reports {
            if let Report::Completed { tag, .. } = &report {
                self.late.remove(tag);
            }
            match report {
                Report::LoggedIn => self.admitted = true,
                Report::Completed { .. } if random.random_bool(faults.lose_answer.clamp(0.0, 1.0)) => {}
                Report::Ended(why) => {
                    self.held.clear();
                    self.late.clear();
                    self.end(why);
                }
                report => self.post(report),
            }
        }
    }

    /// Answers the login, if it is time: not before `not_before`.
    pub fn answer_login(&mut self, now: Nanos, not_before: Nanos) {
        let Some(due) = self.answer_login_at.map(|it| it.max(not_before)) else { return };
        self.answer_login_at = Some(due);
        if self.admitted && due <= now {
            self.answer_login_at = None;
            self.post(Report::LoggedIn);
        }
    }

    fn submit_due(&mut self, now: Nanos) {
        while let Some(held) = self.held.pop_front_if(|it| it.due <= now) {
            let Held { tag, command, .. } = held;
            let lun = command.lun;
            match self.inner.submit(tag, command, now) {
                Ok(()) => {
                    self.late.insert(tag, lun);
                }
                Err(refused) if refused.why == NotTaken::Full => {
                    self.held.push_front(Held { due: now, tag, command: refused.command });
                    break;
                }
                // The inner session has ended, and with it what it was to execute.
                Err(_) => {}
            }
        }
    }

    pub fn take(&mut self, into: &mut Vec<Report>) {
        self.event.clear();
        into.extend(self.reports.drain(..));
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        let held = self.held.iter().map(|it| it.due);
        let login = self.answer_login_at.filter(|_| self.admitted);
        held.chain(self.inner.next_deadline()).chain(login).min()
    }
}
