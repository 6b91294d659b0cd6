//! The PDUs of iSCSI (RFC 7143, section 11), without I/O and without state.
//!
//! ```text
//!   ┌────────────────┬─────────┬────────────────┬──────────────┬───────────┬─────────────┐
//!   │ header, 48     │ AHS     │ header digest  │ data segment │ pad to 4  │ data digest │
//!   │ octets         │ skipped │ if negotiated  │              │ if data   │ if data     │
//!   └────────────────┴─────────┴────────────────┴──────────────┴───────────┴─────────────┘
//! ```
//!
//! [`FromInitiator`] and [`FromTarget`] are the headers by meaning; [`Header`] is the 48 octets; [`digest`] counts CRC32C.
//! The data segment is not here: where it is put is the reader's business. Numbers are big-endian on the wire, digests
//! little-endian.

pub mod digest;
mod from_initiator;
mod from_target;
mod header;
mod serial;
mod target_fields;

pub use from_initiator::{
    DataOut, FromInitiator, InitiatorNumbers, LoginRequest, LogoutRequest, NopOut, ScsiCommand, TaskManagementRequest,
    TextRequest,
};
pub use from_target::{
    AsyncMessage, DataIn, FromTarget, LoginResponse, LogoutResponse, NopIn, ReadyToTransfer, Reject, ScsiResponse,
    TaskManagementResponse, TextResponse,
};
pub use header::{HEADER_LENGTH, Header, LARGEST_SEGMENT};
pub use serial::Serial;
pub use target_fields::{Residual, TargetNumbers};

/// The tag that names no task (RFC 7143, 11.2.1.8), and no transfer.
pub const NO_TAG: u32 = u32::MAX;

/// A stage of the login (RFC 7143, 11.12.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Security,
    Operational,
    FullFeature,
}

/// What of a PDU cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    #[error("the opcode {0:#04x} is none that this side may send")]
    Opcode(u8),
    #[error("{pdu}: {field} is {value:#x}; {must}")]
    Field { pdu: &'static str, field: &'static str, value: u32, must: &'static str },
    #[error("DataSegmentLength is {length}; at most {limit} was agreed")]
    DataSegmentLength { length: u32, limit: u32 },
    #[error("the header digest is {said:#010x}, counted {counted:#010x}")]
    HeaderDigest { said: u32, counted: u32 },
    #[error("the data digest is {said:#010x}, counted {counted:#010x}")]
    DataDigest { said: u32, counted: u32 },
}

/// The octets after a data segment that fill it to whole words (RFC 7143, 11.2.3).
pub fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

impl Stage {
    fn code(self) -> u8 {
        match self {
            Self::Security => 0,
            Self::Operational => 1,
            Self::FullFeature => 3,
        }
    }

    fn parse(pdu: &'static str, field: &'static str, code: u8) -> Result<Self, PduError> {
        match code {
            0 => Ok(Self::Security),
            1 => Ok(Self::Operational),
            3 => Ok(Self::FullFeature),
            _ => Err(PduError::Field { pdu, field, value: code.into(), must: "stages are 0, 1 and 3" }),
        }
    }
}

#[cfg(test)]
mod tests;
