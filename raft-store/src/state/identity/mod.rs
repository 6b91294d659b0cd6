//! Who has which MAC and WWN, which rest in quarantine, and which is free.
//!
//! ```text
//!            draw / fixed                adapter gone, or gets another
//!   free ────────────────▶ in use ─────────────────────────────────────▶ resting ──▶ free
//!                                                                          until a time
//! ```
//!
//! In use is what the profiles say; it is not stored a second time. [`Ledger`] is the derived index by which a free
//! identity is found in logarithmic time; [`Drawing`] is what one command takes, before it is accepted.
//! What a command lets go of can be taken by a later command only.

mod drawing;
mod ledger;
mod runs;

use std::fmt;

use twinrail_proto::domain::{MacAddress, Wwn};

pub(super) use drawing::{Conflict, Drawing, Exhausted};
pub(super) use ledger::Ledger;
pub(super) use runs::Runs;

/// MACs and WWNs, as numbers that can be counted through.
pub(super) trait Identity: Copy + Ord + fmt::Display + fmt::Debug {
    /// What a pool of them holds, for messages.
    const PLURAL: &'static str;
    /// Identities are of one family, and all usable if two of them are, when they agree in what is left after this shift.
    const FAMILY_SHIFT: u32;
    /// What that is.
    const FAMILY: &'static str;
    fn number(self) -> u64;
    /// Of a number inside a checked range.
    fn from_number(number: u64) -> Self;
}

impl Identity for MacAddress {
    const PLURAL: &'static str = "MACs";
    const FAMILY_SHIFT: u32 = 40;
    const FAMILY: &'static str = "first octet";

    fn number(self) -> u64 {
        self.to_u64()
    }

    fn from_number(number: u64) -> Self {
        Self::from_u64(number).expect("a range within one first octet holds unicast addresses only")
    }
}

impl Identity for Wwn {
    const PLURAL: &'static str = "WWNs";
    const FAMILY_SHIFT: u32 = 60;
    const FAMILY: &'static str = "NAA";

    fn number(self) -> u64 {
        self.to_u64()
    }

    fn from_number(number: u64) -> Self {
        Self::new(number).expect("a range within one NAA holds usable names only")
    }
}
