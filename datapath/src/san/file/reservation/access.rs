use super::Reservations;
use crate::san::Identity;

/// What a command needs, as the tables of conflicts group them (SPC-4, tables 68 and 69; SBC-3, table 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Allowed in the presence of every persistent reservation.
    Free,
    /// Allowed when the reservation is for writing only, or to a registered nexus of a type that admits those.
    Read,
    /// Allowed to a holder, or to a registered nexus of a type that admits those.
    Write,
    /// RESERVE(6) and RELEASE(6): the older kind, which has its own rules (SPC-2, 5.5).
    OldReservation,
    /// PERSISTENT RESERVE IN and OUT, whose own rules say who may.
    PersistentReservation,
}

impl Reservations {
    /// Whether the persistent reservation lets this nexus do it.
    pub fn allows(&self, nexus: Identity, access: Access) -> bool {
        let Some(reservation) = self.reservation else { return true };
        let kind = reservation.kind;
        let registrants = kind.for_registrants_only() || kind.for_all_registrants();
        let admitted = self.is_holder(nexus) || registrants && self.is_registered(nexus);
        match access {
            Access::Free | Access::PersistentReservation | Access::OldReservation => true,
            Access::Read => admitted || kind.only_writes(),
            Access::Write => admitted,
        }
    }
}
