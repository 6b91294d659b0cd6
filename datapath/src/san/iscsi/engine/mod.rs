//! One session with its one connection, decided without I/O: octets and time go in, octets and events come out.
//!
//! ```text
//!   submit, manage ──▶ waiting ──window──▶ tasks ──▶ outbox ──▶ fill, wrote ══▶ socket
//!   poll_event     ◀── events  ◀── answers ◀── receiver ◀── room, received ◀══ socket
//!
//!   Login ──accepted──▶ Open ──log_out, asked to leave──▶ Leaving ──▶ Ended
//!     └──redirected, refused──────── lost, silent, a violation ─────────▲
//! ```
//!
//! | phase | takes commands | leaves it when |
//! |---|---|---|
//! | Login | no | the login is accepted, refused, redirected; nothing for the login's time |
//! | Open | yes | the caller or the target wants the end; a violation; silence; the connection ends |
//! | Leaving | no | the logout is answered, or not in time; the connection ends |
//! | Ended | no | never |
//!
//! Error recovery level 0 (RFC 7143, 7.1): whatever goes wrong ends the session, and what was in flight has an unknown
//! outcome. Nothing is ever sent twice, and nobody logs in again in here.

mod answers;
mod commands;
mod failure;
mod outbox;
mod receiver;
mod tasks;
mod window;

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;

use bytes::Bytes;

pub use commands::LARGEST_TRANSFER;
pub use failure::{Failure, Violation};

use self::outbox::Outbox;
use self::receiver::{Found, Receiver};
use self::tasks::{Task, Tasks};
use self::window::Window;
use super::login::{Agreement, Challenge, DEFAULT_SEGMENT, Login, LoginSettings, Request, Step, TargetAddress, next};
use super::pdu::{FromInitiator, FromTarget, Header, LoginRequest, LogoutRequest, NO_TAG, TextRequest};
use crate::rail::Nanos;
use crate::san::Tag;
use crate::scsi::{Command, Response, TaskAnswer};

/// Octets that one read takes besides the data that has its place already: many small answers a call.
const STAGING: usize = 64 << 10;

/// The one connection of a session.
const CONNECTION: u16 = 0;

/// The task tag of all requests of a login.
const LOGIN_TAG: u32 = 0;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For each answer of a login or a logout, and for the connection.
    pub login: Duration,
    /// After so much silence the target is asked for a sign of life.
    pub idle: Duration,
    /// After so much more silence the session ends.
    pub answer: Duration,
}

impl Default for Patience {
    /// An array may be slow at its disks, but not at a NOP: 10 s of silence are the end of it.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { login: seconds(15), idle: seconds(5), answer: seconds(5) }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    LoggedIn,
    /// The last event: the login goes on at another address, in another engine.
    Redirected(TargetAddress),
    Completed {
        tag: Tag,
        response: Response,
    },
    Managed {
        tag: Tag,
        answer: TaskAnswer,
    },
    /// The answer to [`Engine::ask`].
    Text(Vec<u8>),
    LunsChanged,
    /// The last event. What was in flight has an unknown outcome.
    Ended(Failure),
}

enum Phase {
    Login(Box<Login>),
    Open,
    Leaving { task_tag: u32, why: Failure, since: Nanos },
    Ended,
}

/// Where the data segment of a PDU goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Segment,
    Command { task_tag: u32, offset: usize },
    Nowhere,
}

pub struct Engine {
    phase: Phase,
    isid: [u8; 6],
    patience: Patience,
    agreement: Agreement,
    window: Window,
    tasks: Tasks,
    /// Commands beyond the target's window.
    waiting: VecDeque<(Tag, Command)>,
    outbox: Outbox,
    receiver: Receiver,
    staging: Box<[u8]>,
    /// The PDU whose data is coming.
    incoming: Option<(FromTarget, Place, u32)>,
    segment: Vec<u8>,
    /// Of a text answer that goes on.
    text: Vec<u8>,
    events: VecDeque<Event>,
    heard: Nanos,
    now: Nanos,
    pinging: bool,
    first_response: bool,
}

impl Engine {
    /// Begins a login, with the first request in the outbox.
    pub fn new(settings: LoginSettings, isid: [u8; 6], challenge: Challenge, patience: Patience, now: Nanos) -> Self {
        let agreement = Agreement::before(&settings.offer);
        let (login, request) = Login::start(settings, challenge);
        let mut engine = Self {
            phase: Phase::Login(Box::new(login)),
            isid,
            patience,
            agreement,
            window: Window::new(),
            tasks: Tasks::new(),
            waiting: VecDeque::new(),
            outbox: Outbox::default(),
            receiver: Receiver::new(DEFAULT_SEGMENT),
            staging: vec![0; STAGING].into(),
            incoming: None,
            segment: Vec::new(),
            text: Vec::new(),
            events: VecDeque::new(),
            heard: now,
            now,
            pinging: false,
            first_response: true,
        };
        engine.send_login(request);
        engine
    }

    /// What was agreed; the defaults before that.
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Where the next octets are to be read to, in order: what is left of a command's data first, then room for anything.
    pub fn room(&mut self) -> [IoSliceMut<'_>; 2] {
        let (had, left) = (self.receiver.data_had(), self.receiver.data_left());
        let direct = match self.incoming {
            Some((_, Place::Command { task_tag, offset }, _)) => self.tasks.command(task_tag).map(|it| (it, offset)),
            _ => None,
        };
        let direct = match direct {
            Some((task, offset)) => &mut task.data_in[offset + had..offset + had + left],
            None => &mut [],
        };
        [IoSliceMut::new(direct), IoSliceMut::new(&mut self.staging)]
    }

    /// So many octets were read to [`Engine::room`].
    pub fn received(&mut self, count: usize, now: Nanos) {
        (self.now, self.heard) = (now, now);
        if self.has_ended() {
            return;
        }
        let direct = self.take_direct(count);
        let staging = std::mem::take(&mut self.staging);
        let result = self.consume(&staging[..count - direct]);
        self.staging = staging;
        if let Err(failure) = result {
            self.end(failure);
        }
    }

    /// Counts what was read straight to a command's buffer.
    fn take_direct(&mut self, count: usize) -> usize {
        let Some((_, Place::Command { task_tag, offset }, _)) = self.incoming else { return 0 };
        let direct = count.min(self.receiver.data_left());
        if direct == 0 {
            return 0;
        }
        let at = offset + self.receiver.data_had();
        if let Some(task) = self.tasks.command(task_tag) {
            self.receiver.placed(&task.data_in[at..at + direct]);
        }
        direct
    }

    fn consume(&mut self, mut input: &[u8]) -> Result<(), Failure> {
        while !matches!(self.phase, Phase::Ended) {
            let had = self.receiver.data_had();
            match self.receiver.next(&mut input)? {
                Found::Nothing => break,
                Found::Header(header) => self.on_header(&header)?,
                Found::Data(octets) => self.on_data(had, octets),
                Found::End => self.on_end()?,
            }
        }
        Ok(())
    }

    fn on_header(&mut self, header: &Header) -> Result<(), Failure> {
        let pdu = FromTarget::parse(header)?;
        let place = match self.phase {
            Phase::Login(_) => Place::Segment,
            _ => self.place(&pdu, header.data_length())?,
        };
        self.incoming = Some((pdu, place, header.data_length()));
        Ok(())
    }

    fn on_data(&mut self, had: usize, octets: &[u8]) {
        match self.incoming {
            Some((_, Place::Command { task_tag, offset }, _)) => {
                if let Some(task) = self.tasks.command(task_tag) {
                    let at = offset + had;
                    task.data_in[at..at + octets.len()].copy_from_slice(octets);
                }
            }
            Some((_, Place::Segment, _)) => self.segment.extend_from_slice(octets),
            Some((_, Place::Nowhere, _)) | None => {}
        }
    }

    fn on_end(&mut self) -> Result<(), Failure> {
        let Some((pdu, _, length)) = self.incoming.take() else { unreachable!("a PDU ends that has begun") };
        if std::mem::take(&mut self.first_response) {
            self.window.begin(pdu.numbers());
        }
        let mut segment = std::mem::take(&mut self.segment);
        let result = match (&pdu, &self.phase) {
            (FromTarget::Login(response), Phase::Login(_)) if refused(response.status) => self.on_login(&pdu, &segment),
            _ => self.window.on_pdu(&pdu).map_err(Failure::from).and_then(|()| match self.phase {
                Phase::Login(_) => self.on_login(&pdu, &segment),
                _ => self.on_answer(&pdu, &segment, length),
            }),
        };
        segment.clear();
        self.segment = segment;
        result
    }

    fn on_login(&mut self, pdu: &FromTarget, segment: &[u8]) -> Result<(), Failure> {
        let (Phase::Login(login), FromTarget::Login(response)) = (&mut self.phase, pdu) else {
            return Err(Violation::Unexpected(pdu.name()).into());
        };
        if response.task_tag != LOGIN_TAG {
            return Err(Violation::Tag { pdu: pdu.name(), tag: response.task_tag }.into());
        }
        match login.on_response(response, segment)? {
            Step::Send(request) => self.send_login(request),
            Step::LoggedIn(agreement) => self.open(agreement),
            Step::Redirected(address) => {
                self.close();
                self.events.push_back(Event::Redirected(address));
            }
        }
        Ok(())
    }

    fn open(&mut self, agreement: Agreement) {
        let (header_digest, data_digest) = (agreement.header_digest, agreement.data_digest);
        self.receiver.set(header_digest, data_digest, agreement.max_receive_segment);
        self.outbox.set_digests(header_digest, data_digest);
        self.agreement = agreement;
        self.phase = Phase::Open;
        self.events.push_back(Event::LoggedIn);
    }

    fn send_login(&mut self, request: Request) {
        let header = FromInitiator::Login(LoginRequest {
            transit: request.transit,
            continues: false,
            stage: request.stage,
            next_stage: next(request.stage),
            isid: self.isid,
            session: 0,
            task_tag: LOGIN_TAG,
            connection: CONNECTION,
            numbers: self.window.numbers(),
        });
        self.outbox.push(header.header(), request.text.into());
    }

    /// Asks for something by a text request (RFC 7143, 11.10) of a session that is open; [`Event::Text`] is the answer. One
    /// at a time.
    pub fn ask(&mut self, text: Vec<u8>) {
        let task_tag = self.tasks.insert(Task::Text);
        self.send_text(task_tag, NO_TAG, text.into());
    }

    fn send_text(&mut self, task_tag: u32, transfer_tag: u32, text: Bytes) {
        let numbers = self.window.numbers();
        let (immediate, last, continues, lun) = (true, true, false, [0; 8]);
        let request = TextRequest { immediate, last, continues, lun, task_tag, transfer_tag, numbers };
        self.outbox.push(FromInitiator::Text(request).header(), text);
    }

    /// Says goodbye; [`Event::Ended`] follows. Before the login is accepted it ends at once.
    pub fn log_out(&mut self, now: Nanos) {
        self.now = now;
        match self.phase {
            Phase::Open => self.leave(Failure::LoggedOut),
            Phase::Login(_) => self.end(Failure::LoggedOut),
            Phase::Leaving { .. } | Phase::Ended => {}
        }
    }

    fn leave(&mut self, why: Failure) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        if self.tasks.is_full() {
            return self.end(why);
        }
        let task_tag = self.tasks.insert(Task::Logout);
        let numbers = self.window.numbers();
        let request = LogoutRequest { immediate: true, reason: 0, task_tag, connection: CONNECTION, numbers };
        self.outbox.push(FromInitiator::Logout(request).header(), Bytes::new());
        self.phase = Phase::Leaving { task_tag, why, since: self.now };
    }

    /// The connection came to its end.
    pub fn closed(&mut self) {
        let why = match &self.phase {
            Phase::Leaving { why, .. } => why.clone(),
            _ => Failure::Closed,
        };
        self.end(why);
    }

    /// Ends the session for a reason that only its driver knows.
    pub fn end(&mut self, failure: Failure) {
        if !matches!(self.phase, Phase::Ended) {
            self.close();
            self.events.push_back(Event::Ended(failure));
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Ended;
        self.outbox.clear();
        self.waiting.clear();
        self.tasks.clear();
        self.incoming = None;
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Whether there are octets to write.
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// What is to be written next; returns how many slices were filled.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.outbox.fill(slices)
    }

    /// So many octets of that were written.
    pub fn wrote(&mut self, count: usize) {
        self.outbox.wrote(count);
    }

    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Engine::on_time`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        match &self.phase {
            Phase::Login(_) => Some(after(self.heard, self.patience.login)),
            Phase::Open if self.pinging => Some(self.silent_at()),
            Phase::Open => Some(after(self.heard, self.patience.idle)),
            Phase::Leaving { since, .. } => Some(after(*since, self.patience.login)),
            Phase::Ended => None,
        }
    }

    pub fn on_time(&mut self, now: Nanos) {
        self.now = now;
        if self.next_deadline().is_none_or(|it| now < it) {
            return;
        }
        match &self.phase {
            Phase::Login(_) => self.end(Failure::Silent(self.patience.login)),
            Phase::Open if self.pinging => self.end(Failure::Silent(self.patience.idle + self.patience.answer)),
            Phase::Open => self.ping(),
            Phase::Leaving { why, .. } => self.end(why.clone()),
            Phase::Ended => {}
        }
    }

    fn silent_at(&self) -> Nanos {
        after(self.heard, self.patience.idle + self.patience.answer)
    }
}

/// Targets that refuse a login do not care for their numbers.
fn refused(status: [u8; 2]) -> bool {
    status[0] != 0
}

fn after(time: Nanos, more: Duration) -> Nanos {
    time.saturating_add(Nanos::try_from(more.as_nanos()).unwrap_or(Nanos::MAX))
}

#[cfg(test)]
mod tests;
