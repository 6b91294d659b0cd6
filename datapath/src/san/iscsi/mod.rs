//! The iSCSI initiator (RFC 7143).

pub mod login;
pub mod pdu;
