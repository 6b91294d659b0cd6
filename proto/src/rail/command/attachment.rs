use super::fields::{Reader, at_least};
use super::{CommandError, CommandNumber, MAX_DATA};
use crate::domain::{Epoch, Name};
use crate::rail::{ClusterTag, Incarnation};

/// An agent asks to use a vHBA by this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    pub cluster: ClusterTag,
    pub server: Name,
    /// Of the agent: one that was started again has another, and knows nothing of its former commands.
    pub incarnation: Incarnation,
    /// Grows with each attachment of this incarnation and epoch: of two connections the one with the greater is meant.
    pub attempt: u64,
    /// The first command that the agent may send (again). It has the answers of all before.
    pub first: CommandNumber,
    /// The same for task management functions.
    pub first_function: u64,
}

/// What a director holds for a vHBA at most: commands that it has received, until their answers are acknowledged. A
/// command counts with the octets of both its data buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credits {
    pub commands: u32,
    pub octets: u64,
}

/// The director takes commands from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Of the attachment that this answers.
    pub attempt: u64,
    /// Of what the director remembers of this agent's commands, drawn anew with each of its sessions at the SAN. Another one
    /// than before in the same epoch knows nothing of what the agent sent, and has fenced it like another home.
    pub instance: u64,
    pub credits: Credits,
}

/// The director takes no commands by this connection, and closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub cause: RefusalCause,
    /// The highest epoch of the adapter that the director knows.
    pub known: Epoch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCause {
    /// The adapter has a newer epoch than the message.
    NewerEpoch = 1,
    /// The director does not carry this adapter, or not yet with this epoch.
    NotHome = 2,
    /// The director has no lease: it may carry nothing now.
    NoLease = 3,
    /// The adapter is bound to another server than the one that asks.
    NotBound = 4,
    /// The former home's commands may still be alive at the SAN.
    Fencing = 5,
    /// A newer connection or a newer agent of this server uses the adapter.
    Replaced = 6,
    /// The message is of another cluster.
    OtherCluster = 7,
}

impl RefusalCause {
    pub const ALL: [Self; 7] = [
        Self::NewerEpoch,
        Self::NotHome,
        Self::NoLease,
        Self::NotBound,
        Self::Fencing,
        Self::Replaced,
        Self::OtherCluster,
    ];

    /// As counters and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewerEpoch => "newer epoch known",
            Self::NotHome => "not the home",
            Self::NoLease => "no lease",
            Self::NotBound => "not bound to this server",
            Self::Fencing => "fencing in progress",
            Self::Replaced => "replaced by a newer connection",
            Self::OtherCluster => "of another cluster",
        }
    }
}

impl Credits {
    /// At least one command, and the largest one: with less a command could wait for ever.
    pub const LEAST: Self = Self { commands: 1, octets: 2 * MAX_DATA as u64 };

    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend(self.commands.to_be_bytes());
        into.extend([0; 4]);
        into.extend(self.octets.to_be_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let commands = fields.u32("the credit in commands")?;
        fields.skip(4)?;
        let octets = fields.u64("the credit in octets")?;
        at_least("the credit in commands", commands.into(), Self::LEAST.commands.into())?;
        at_least("the credit in octets", octets, Self::LEAST.octets)?;
        Ok(Self { commands, octets })
    }
}

impl Attach {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Self { cluster, server, incarnation, attempt, first, first_function } = self;
        into.extend(cluster.0.to_be_bytes());
        into.extend([0, 0, 0, server.as_str().len() as u8]);
        for number in [incarnation.get(), *attempt, first.0, *first_function] {
            into.extend(number.to_be_bytes());
        }
        into.extend(server.as_str().as_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let cluster = ClusterTag(fields.u32("the cluster")?);
        fields.skip(3)?;
        let length = fields.u8("the length of the server's name")?;
        let incarnation = Incarnation::from_wire(fields.u64("the agent's incarnation")?)
            .ok_or(CommandError::Unknown { field: "the agent's incarnation", value: 0 })?;
        let (attempt, first) = (fields.u64("the attempt")?, CommandNumber::parse(fields, "the first command")?);
        let first_function = fields.u64("the first function")?;
        let name = fields.octets("the server's name", length.into())?;
        let name = std::str::from_utf8(name).ok().and_then(|it| Name::new(it).ok());
        let server = name.ok_or(CommandError::NoName { field: "the server's name" })?;
        Ok(Self { cluster, server, incarnation, attempt, first, first_function })
    }
}

impl Attached {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Self { attempt, instance, credits } = self;
        into.extend(attempt.to_be_bytes());
        into.extend(instance.to_be_bytes());
        credits.write(into);
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let (attempt, instance) = (fields.u64("the attempt")?, fields.u64("the home's instance")?);
        Ok(Self { attempt, instance, credits: Credits::parse(fields)? })
    }
}

impl Refused {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend([self.cause as u8]);
        into.extend([0; 7]);
        into.extend(self.known.0.to_be_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let octet = fields.u8("the cause of a refusal")?;
        let cause = RefusalCause::ALL.into_iter().find(|it| *it as u8 == octet);
        let cause = cause.ok_or(CommandError::Unknown { field: "the cause of a refusal", value: octet.into() })?;
        fields.skip(7)?;
        Ok(Self { cause, known: Epoch(fields.u64("the known epoch")?) })
    }
}
