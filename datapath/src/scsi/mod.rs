//! The words of SCSI that vHBAs, rails and SANs speak: SAM-5 (commands, LUNs, status, task management), SPC-4 and SBC-3
//! (CDBs, sense data). No I/O, and nothing in here panics, whatever it is given.
//!
//! ```text
//!   initiator ── Command { lun, cdb, attribute, data_out, data_in_length } ──▶ device server
//!             ◀── Response { status, sense, data_in, residual } ──────────────
//!             ── TaskManagement { lun, function } ──▶      ◀── TaskAnswer ────
//! ```
//!
//! [`replay`] says which commands may be sent a second time when nobody knows whether the first one was executed.

mod attribute;
mod build;
mod cdb;
mod command;
mod lun;
mod opcode;
pub mod replay;
mod sense;
mod sense_code;
mod status;
mod task_management;

pub use attribute::TaskAttribute;
pub use cdb::{Cdb, CdbError, Transfer};
pub use command::{Command, Residual, Response};
pub use lun::{Lun, LunError};
pub use opcode::Opcode;
pub use sense::{Sense, SenseError, SenseKey};
pub use sense_code::SenseCode;
pub use status::{Status, UnknownStatus};
pub use task_management::{TaskAnswer, TaskFunction, TaskManagement};

/// The number that big-endian octets spell; at most eight of them.
fn number(octets: &[u8]) -> u64 {
    debug_assert!(octets.len() <= 8);
    octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
}
