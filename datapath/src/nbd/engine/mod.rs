//! One client of NBD, without its socket: octets in, octets and requests out. The protocol is `doc/proto.md` of
//! NetworkBlockDevice/nbd, whose sections are cited by name.
//!
//! ```text
//!   Flags ──client flags──▶ Options ──GO, EXPORT_NAME──▶ Transmission ──DISC──▶ Draining
//!     │                        │ ▲ │                        │                     │ nothing in flight
//!     │                        └─┘ └──ABORT──┐              │                     ▼
//!     └──────────── violation ───────────────┴──────────────┴─ shut_down ──────▶ Over
//! ```
//!
//! * It may be fed in pieces of any size: the same octets give the same answers.
//! * Nothing is allocated for what a client claims, only for what it has sent; every limit is in [`super::limits`].
//! * Requests are answered in the order in which they are completed, which need not be theirs.
//! * A request that breaks a rule of the export is answered with its error and never seen by the device.

mod negotiate;
mod output;
mod reply;
mod transmit;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use self::output::Output;
use super::wire::{FIXED_NEWSTYLE, INIT_PASSWD, NO_ZEROES, OPTION_MAGIC};
use super::{Errno, Exports, Request, limits};

/// Names a request of one client until it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    #[error("the client has left")]
    Left,
    #[error("the server is shutting down")]
    Shutdown,
    #[error("the client set flags that it was not offered: {0:#x}")]
    Flags(u32),
    #[error("the client sent {0:#018x} where an option begins")]
    OptionMagic(u64),
    #[error("the client sent {0:#010x} where a request begins")]
    RequestMagic(u32),
    /// EXPORT_NAME has no way to be refused.
    #[error("the client chose an export that is not there: {0:?}")]
    NoExport(String),
    #[error("the client sent more than {} options", limits::OPTIONS)]
    Options,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Flags,
    Options,
    Transmission { export: usize },
    Draining { export: usize },
    Over(End),
}

/// Data that is thrown away as it comes, and what is answered when it has come.
#[derive(Clone, Copy, Debug)]
struct Skip {
    left: u32,
    then: AfterSkip,
}

#[derive(Clone, Copy, Debug)]
enum AfterSkip {
    RefuseOption { option: u32 },
    RefuseWrite { cookie: u64, errno: Errno },
}

/// What the answer to a request in flight needs.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    cookie: u64,
    /// Offset and length, when it is a READ.
    read: Option<(u64, u32)>,
    held: usize,
}

/// A server's side of one connection.
#[derive(Debug)]
pub struct Engine {
    exports: Arc<Exports>,
    phase: Phase,
    input: BytesMut,
    output: Output,
    skip: Option<Skip>,
    options: u32,
    structured: bool,
    no_zeroes: bool,
    next_tag: u64,
    in_flight: BTreeMap<Tag, InFlight>,
    /// Octets of all in flight.
    held: usize,
    requests: VecDeque<(Tag, Request)>,
}

impl Engine {
    /// For a client that has just come: its greeting is in the output ("Newstyle negotiation").
    pub fn new(exports: Arc<Exports>) -> Self {
        let mut output = Output::default();
        output.small().put_u64(INIT_PASSWD);
        output.small().put_u64(OPTION_MAGIC);
        output.small().put_u16(FIXED_NEWSTYLE | NO_ZEROES);
        Self {
            exports,
            phase: Phase::Flags,
            input: BytesMut::new(),
            output,
            skip: None,
            options: 0,
            structured: false,
            no_zeroes: false,
            next_tag: 0,
            in_flight: BTreeMap::new(),
            held: 0,
            requests: VecDeque::new(),
        }
    }

    /// Takes what the client sent. What comes when nothing more is wanted for good is thrown away.
    pub fn receive(&mut self, octets: &[u8]) {
        if matches!(self.phase, Phase::Draining { .. } | Phase::Over(_)) {
            return;
        }
        let octets = self.throw_away(octets);
        self.input.extend_from_slice(octets);
        self.go_on();
    }

    /// The next request for the device behind an export, by its index.
    pub fn next_request(&mut self) -> Option<(Tag, Request)> {
        self.requests.pop_front()
    }

    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The export that the client has chosen.
    pub fn export(&self) -> Option<usize> {
        match self.phase {
            Phase::Transmission { export } | Phase::Draining { export } => Some(export),
            Phase::Flags | Phase::Options | Phase::Over(_) => None,
        }
    }

    /// The device has done with a request: a READ with its data, all others with none. A request that is not in flight
    /// any more, since the connection is over, is let go.
    pub fn complete(&mut self, tag: Tag, result: Result<Bytes, Errno>) {
        let Some(request) = self.in_flight.remove(&tag) else { return };
        self.held -= request.held;
        self.answer(&request, result);
        self.end_of_draining();
        self.go_on();
    }

    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// So many octets of the output have reached the client's socket.
    pub fn sent(&mut self, octets: usize) {
        self.output.advance(octets);
        self.go_on();
    }

    /// Whether more should be read from the client now.
    pub fn wants_input(&self) -> bool {
        !matches!(self.phase, Phase::Draining { .. } | Phase::Over(_)) && !self.is_full()
    }

    /// Why nothing more will come in or go out, once the output is empty; None: it goes on.
    pub fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Over(end) => Some(end),
            Phase::Flags | Phase::Options | Phase::Transmission { .. } | Phase::Draining { .. } => None,
        }
    }

    /// Answers everything in flight with `Shutdown` ("Terminating the transmission phase") and ends. What the device
    /// says of it later is let go.
    pub fn shut_down(&mut self) {
        for request in std::mem::take(&mut self.in_flight).into_values() {
            self.answer(&request, Err(Errno::Shutdown));
        }
        self.held = 0;
        self.over(End::Shutdown);
    }

    fn over(&mut self, end: End) {
        self.requests.clear();
        self.input.clear();
        if !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(end);
        }
    }

    fn end_of_draining(&mut self) {
        if matches!(self.phase, Phase::Draining { .. }) && self.in_flight.is_empty() {
            self.over(End::Left);
        }
    }

    /// As much as the client may have under way is.
    fn is_full(&self) -> bool {
        self.in_flight.len() >= limits::REQUESTS || self.held + self.output.len() >= limits::OCTETS
    }

    /// Does what can be done with the input.
    fn go_on(&mut self) {
        while !self.is_full() && self.skip.is_none() && self.step() {}
    }

    /// Whether there was enough for a step.
    fn step(&mut self) -> bool {
        match self.phase {
            Phase::Flags => self.client_flags(),
            Phase::Options => self.option(),
            Phase::Transmission { export } => self.request(export),
            Phase::Draining { .. } | Phase::Over(_) => false,
        }
    }

    /// Begins to throw away what comes next.
    fn refuse_data(&mut self, length: u32, then: AfterSkip) {
        let there = self.input.len().min(length as usize);
        self.input.advance(there);
        self.skip = Some(Skip { left: length - there as u32, then });
        self.end_of_skip();
    }

    /// What is not to be thrown away.
    fn throw_away<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let Some(skip) = &mut self.skip else { return octets };
        let now = octets.len().min(skip.left as usize);
        skip.left -= now as u32;
        self.end_of_skip();
        &octets[now..]
    }

    fn end_of_skip(&mut self) {
        match self.skip {
            Some(Skip { left: 0, then: AfterSkip::RefuseOption { option } }) => self.option_is_too_big(option),
            Some(Skip { left: 0, then: AfterSkip::RefuseWrite { cookie, errno } }) => self.refuse(cookie, errno),
            Some(_) | None => return,
        }
        self.skip = None;
    }
}
