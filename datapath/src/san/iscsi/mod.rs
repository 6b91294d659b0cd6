//! The iSCSI initiator (RFC 7143): a vHBA at a target of a real array.
//!
//! ```text
//!   IscsiSan ──log_in──▶ session (the words of `san`)
//!                           │
//!                       connection: the socket, non-blocking; a redirect
//!                           │
//!                        engine: numbers, tasks, data, silence ── login: who, and how
//!                           └────────────── pdu: octets ─────────────┘
//! ```
//!
//! Everything below `connection` is without I/O and without a clock. A vHBA is `naa.` and its WWPN for the target, and its
//! ISID is given: the same again is the same I_T nexus, whose older session the target ends. That is no fence: commands of
//! the older session may still be executed after the new login was answered, so a takeover needs a LUN RESET besides
//! ([`IscsiSan::login_fences`]).
//!
//! Not here: more than one connection a session, error recovery above level 0, data in both directions of one command,
//! CDBs of more than 16 octets.

mod connection;
mod discovery;
pub mod engine;
pub mod login;
pub mod pdu;
mod session;

pub use connection::{Connection, Endpoint};
pub use discovery::{DiscoveryError, FoundTarget, discover};
pub use session::{IscsiSan, initiator_name};
