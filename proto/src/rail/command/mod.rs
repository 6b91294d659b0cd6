//! The messages of one vHBA's command stream, between a server's agent and the vHBA's home director. A stream is reliable
//! and ordered: one TCP connection, or one RC queue pair.
//!
//! ```text
//!   agent                                    director
//!     ── Attach ─────────────────────────────▶
//!     ◀───────────────── Attached | Refused ──
//!     ── Command + data, TaskManagement ─────▶     within the credits, in order
//!     ◀────────── Answer + data, TaskAnswer ──     as they end
//!     ── Acknowledge ────────────────────────▶     answers up to here need not be kept
//!     ◀────────────────────── Credit, Notice ──
//!
//!   message         prefix | body, by kind | data
//!   prefix          | magic 2 | version 1 | kind 1 | body length 2 | reserved 2 | data length 4 | adapter 4 | epoch 8 |
//!   attach          | cluster 4 | reserved 3 | name length 1 | incarnation 8 | attempt 8 | first 8 | first function 8 | name |
//!   attached        | attempt 8 | instance 8 | credits 16 |   credits: | commands 4 | reserved 4 | octets 8 |
//!   refused         | cause 1 | reserved 7 | known epoch 8 |
//!   command         | number 8 | LUN 8 | CDB 16 | attribute 1 | CDB length 1 | reserved 2 | data-in length 4 |     data: Data-Out
//!   answer          | number 8 | residual 4 | its kind 1 | status 1 | sense length 1 | reserved 1 | sense |        data: Data-In
//!   credit          | credits 16 |
//!   task management | number 8 | LUN 8 | function 1 | reserved 7 | command 8 |
//!   task answer     | number 8 | result 1 | reserved 7 |
//!   notice          | notice 1 | reserved 3 | number 4 |
//!   acknowledge     | commands up to 8 | functions up to 8 |
//! ```
//!
//! Numbers are big-endian; reserved octets are written as zero and ignored when read.
//!
//! **Data stands apart.** A [`Head`] is the prefix with the body and knows the length of the data, but has none of it. A
//! rail that streams sends head and data by one vectored write, and reads the data straight into the buffer that it was
//! told the length of; an RDMA rail sends the head, and moves the data between registered buffers.
//!
//! Guarantees: a parser never panics and never reads past what it is given; what is cut short, lies about a length, passes
//! a limit or has no meaning is refused with a [`CommandError`] that names the field. A body has exactly the octets of its
//! kind. Nothing here says *who* sent a message: the source address of the connection does.

mod attachment;
mod error;
mod execution;
mod fields;
mod management;
mod prefix;
#[cfg(test)]
mod tests;

pub use attachment::{Attach, Attached, Credits, RefusalCause, Refused};
pub use error::CommandError;
pub use execution::{Answer, Attribute, Command, Residual};
use fields::Reader;
pub use management::{Function, FunctionResult, Notice, TaskAnswer, TaskManagement};
pub use prefix::{MAGIC, Prefix};

use crate::domain::{AdapterId, Epoch};

pub const VERSION: u8 = 1;

/// Octets that every message starts with.
pub const PREFIX_LENGTH: usize = 24;

/// The longest body: an answer with as much sense data as there can be.
pub const MAX_BODY: usize = 16 + MAX_SENSE;

/// The longest head: what a receiver keeps room for.
pub const MAX_HEAD: usize = PREFIX_LENGTH + MAX_BODY;

/// Most octets of one data buffer: more than block layers put into one command, and little enough that a director holds
/// several for each of hundreds of vHBAs. Longer commands are refused where they are submitted.
pub const MAX_DATA: u32 = 8 << 20;

/// The longest CDB that is carried (SPC-4, 4.3.1; those of variable length are not).
pub const MAX_CDB: usize = 16;

/// The most sense data that a device server gives (SPC-4, 4.5.1).
pub const MAX_SENSE: usize = 252;

/// The TCP port of the command streams on the rails.
pub const COMMAND_PORT: u16 = 7404;

/// Numbers the commands of one vHBA as its agent counts them, from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandNumber(pub u64);

/// A message but for its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub adapter: AdapterId,
    pub epoch: Epoch,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Attach(Attach),
    Attached(Attached),
    Refused(Refused),
    Command(Command),
    Answer(Answer),
    /// The credits are these from now on.
    Credit(Credits),
    TaskManagement(TaskManagement),
    TaskAnswer(TaskAnswer),
    Notice(Notice),
    Acknowledge(Acknowledge),
}

/// The agent has the answers of all commands and of all functions up to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledge {
    pub commands: CommandNumber,
    pub functions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Attach = 1,
    Attached = 2,
    Refused = 3,
    Command = 4,
    Answer = 5,
    Credit = 6,
    TaskManagement = 7,
    TaskAnswer = 8,
    Notice = 9,
    Acknowledge = 10,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Attach,
        Self::Attached,
        Self::Refused,
        Self::Command,
        Self::Answer,
        Self::Credit,
        Self::TaskManagement,
        Self::TaskAnswer,
        Self::Notice,
        Self::Acknowledge,
    ];

    fn from_wire(octet: u8) -> Result<Self, CommandError> {
        Self::ALL.into_iter().find(|it| *it as u8 == octet).ok_or(CommandError::Kind(octet))
    }

    fn has_data(self) -> bool {
        matches!(self, Self::Command | Self::Answer)
    }
}

impl CommandNumber {
    fn parse(fields: &mut Reader<'_>, field: &'static str) -> Result<Self, CommandError> {
        match fields.u64(field)? {
            0 => Err(CommandError::Unknown { field, value: 0 }),
            number => Ok(Self(number)),
        }
    }
}

impl Body {
    fn kind(&self) -> Kind {
        match self {
            Self::Attach(_) => Kind::Attach,
            Self::Attached(_) => Kind::Attached,
            Self::Refused(_) => Kind::Refused,
            Self::Command(_) => Kind::Command,
            Self::Answer(_) => Kind::Answer,
            Self::Credit(_) => Kind::Credit,
            Self::TaskManagement(_) => Kind::TaskManagement,
            Self::TaskAnswer(_) => Kind::TaskAnswer,
            Self::Notice(_) => Kind::Notice,
            Self::Acknowledge(_) => Kind::Acknowledge,
        }
    }

    fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Attach(it) => it.write(into),
            Self::Attached(it) => it.write(into),
            Self::Refused(it) => it.write(into),
            Self::Command(it) => it.write(into),
            Self::Answer(it) => it.write(into),
            Self::Credit(it) => it.write(into),
            Self::TaskManagement(it) => it.write(into),
            Self::TaskAnswer(it) => it.write(into),
            Self::Notice(it) => it.write(into),
            Self::Acknowledge(it) => it.write(into),
        }
    }

    fn parse(kind: Kind, fields: &mut Reader<'_>, data_length: usize) -> Result<Self, CommandError> {
        Ok(match kind {
            Kind::Attach => Self::Attach(Attach::parse(fields)?),
            Kind::Attached => Self::Attached(Attached::parse(fields)?),
            Kind::Refused => Self::Refused(Refused::parse(fields)?),
            Kind::Command => Self::Command(Command::parse(fields, data_length)?),
            Kind::Answer => Self::Answer(Answer::parse(fields, data_length)?),
            Kind::Credit => Self::Credit(Credits::parse(fields)?),
            Kind::TaskManagement => Self::TaskManagement(TaskManagement::parse(fields)?),
            Kind::TaskAnswer => Self::TaskAnswer(TaskAnswer::parse(fields)?),
            Kind::Notice => Self::Notice(Notice::parse(fields)?),
            Kind::Acknowledge => Self::Acknowledge(Acknowledge::parse(fields)?),
        })
    }
}

impl Acknowledge {
    fn write(&self, into: &mut Vec<u8>) {
        into.extend(self.commands.0.to_be_bytes());
        into.extend(self.functions.to_be_bytes());
    }

    fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let commands = CommandNumber(fields.u64("the acknowledged command")?);
        Ok(Self { commands, functions: fields.u64("the acknowledged function")? })
    }
}

impl Head {
    /// Octets of the data that go with it.
    pub fn data_length(&self) -> usize {
        match &self.body {
            Body::Command(command) => command.data_out_length as usize,
            Body::Answer(answer) => answer.data_in_length as usize,
            _ => 0,
        }
    }

    /// The octets of the head. Panics when data or sense are longer than [`MAX_DATA`] and [`MAX_SENSE`]: the sender has
    /// the limits to keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![0; PREFIX_LENGTH];
        self.body.write(&mut octets);
        let (body_length, data_length) = (octets.len() - PREFIX_LENGTH, self.data_length());
        assert!(
            body_length <= MAX_BODY && data_length <= MAX_DATA as usize,
            "a message beyond the limits is never sent"
        );
        let prefix =
            Prefix { kind: self.body.kind(), body_length, data_length, adapter: self.adapter, epoch: self.epoch };
        let mut head = Vec::with_capacity(PREFIX_LENGTH);
        prefix.write(&mut head);
        octets[..PREFIX_LENGTH].copy_from_slice(&head);
        octets
    }

    /// Of a prefix and exactly the octets of its body.
    pub fn parse(prefix: &Prefix, body: &[u8]) -> Result<Self, CommandError> {
        let (says, has) = (prefix.body_length, body.len());
        if says != has {
            return Err(CommandError::LyingLength { field: "the body's length", says, has });
        }
        let mut fields = Reader::new(body);
        let parsed = Body::parse(prefix.kind, &mut fields, prefix.data_length)?;
        fields.end("the body's length", says)?;
        Ok(Self { adapter: prefix.adapter, epoch: prefix.epoch, body: parsed })
    }
}
