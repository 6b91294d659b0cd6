use std::time::Duration;

use crate::san::SessionEnd;
use crate::san::iscsi::login::{LoginError, LoginRefusal, TargetAddress};
use crate::san::iscsi::pdu::{PduError, Serial};

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("logged out")]
    LoggedOut,
    #[error("login: {0}")]
    Login(#[from] LoginError),
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("the target did not answer for {0:?}")]
    Silent(Duration),
    #[error("the target closed the connection")]
    Closed,
    #[error("could not {operation}: {reason}")]
    Connection { operation: &'static str, reason: String },
    #[error("the target is at {to} now: {why}")]
    Moved { to: TargetAddress, why: &'static str },
    /// An Asynchronous Message: 1 and 4 want it to end, 2 and 3 say that it has (RFC 7143, 11.9.1).
    #[error("the target wants the session to end (asynchronous event {0})")]
    SentAway(u8),
}

/// What a target did that it may not do. Nothing after it can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{0}")]
    Pdu(#[from] PduError),
    #[error("{0} does not belong here")]
    Unexpected(&'static str),
    #[error("{pdu}: StatSN is {said}, not {expected}")]
    StatSn { pdu: &'static str, said: Serial, expected: Serial },
    #[error("ExpCmdSN is {said}, and the next CmdSN is {next}: it acknowledges what was never sent")]
    ExpCmdSn { said: Serial, next: Serial },
    #[error("{pdu}: the task tag {tag:#010x} names no task of its kind")]
    Tag { pdu: &'static str, tag: u32 },
    #[error("{pdu}: {field} is {said}, not {expected}")]
    Order { pdu: &'static str, field: &'static str, said: u32, expected: u32 },
    #[error("{pdu}: {length} octets at {offset}, of a buffer of {buffer}")]
    Range { pdu: &'static str, offset: u32, length: u32, buffer: u32 },
    #[error("R2T: {length} octets, and bursts have 1 to {limit}")]
    Burst { length: u32, limit: u32 },
    #[error("R2T for a command that a task management function has ended")]
    LateR2t,
    #[error("{received} of {expected} octets came in, and the residual does not say so")]
    Residual { received: u32, expected: u32 },
    #[error("{0:#04x} is no SCSI status")]
    Status(u8),
    #[error("SCSI Response: SenseLength is {said}, and the data segment has {has} octets after it")]
    SenseLength { said: u16, has: usize },
    #[error("the target failed a command (response {0:#04x}), so that nobody knows what became of it")]
    TargetFailure(u8),
    #[error("the target rejected the opcode {opcode:#04x}: {}", rejection(*.reason))]
    Rejected { reason: u8, opcode: u8 },
    #[error("Logout Response: {0}")]
    Logout(u8),
    #[error("the text has more than {0} octets")]
    TextLength(usize),
}

/// RFC 7143, 11.17.1.
fn rejection(reason: u8) -> &'static str {
    match reason {
        0x02 => "data digest error",
        0x03 => "SNACK reject",
        0x04 => "protocol error",
        0x05 => "command not supported",
        0x06 => "too many immediate commands",
        0x07 => "task in progress",
        0x08 => "invalid data ack",
        0x09 => "invalid PDU field",
        0x0a => "out of resources",
        0x0b => "negotiation reset",
        0x0c => "waiting for logout",
        _ => "for a reason that is in no standard",
    }
}

impl From<PduError> for Failure {
    fn from(error: PduError) -> Self {
        Self::Violation(error.into())
    }
}

impl From<Failure> for SessionEnd {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::LoggedOut => Self::LoggedOut,
            Failure::Login(LoginError::Refused(status)) => match status.refusal() {
                LoginRefusal::Busy => Self::Unavailable(status.to_string()),
                _ => Self::Denied(status.to_string()),
            },
            Failure::Login(error) if error.is_about_trust() => Self::Denied(error.to_string()),
            Failure::Login(error) => Self::Protocol(error.to_string()),
            Failure::Violation(violation) => Self::Protocol(violation.to_string()),
            Failure::Silent(time) => Self::Silent(time),
            Failure::Closed => Self::Closed,
            Failure::Connection { operation, reason } => Self::Connection { operation, reason },
            Failure::SentAway(_) | Failure::Moved { .. } => Self::Unavailable(failure.to_string()),
        }
    }
}
