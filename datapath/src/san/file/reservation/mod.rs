//! Persistent reservations (SPC-4, 5.13 and 6.15 to 6.16), as a state machine without I/O.
//!
//! ```text
//!                 REGISTER key                RESERVE type
//!   unregistered ─────────────▶ registered ──────────────▶ holder
//!        ▲   ▲    REGISTER 0        │  ▲        RELEASE       │
//!        │   └──────────────────────┘  └──────────────────────┘
//!        └── CLEAR and PREEMPT by a registered one ───────────┘
//! ```
//!
//! An error changes nothing. Who has to be told by a unit attention, and whose commands are to be ended, is in the
//! [`Change`] that an accepted service action returns.

mod access;
mod kept;
mod kind;
mod preempt;
mod report;

use std::collections::BTreeMap;

pub use access::Access;
pub use kept::Keeper;
pub use kind::{Kind, LOGICAL_UNIT_SCOPE};
pub use report::{Report, report};

use crate::san::Identity;
use crate::scsi::SenseCode;

/// I_T nexuses that may be registered with one logical unit. One more is told so by 55/04.
pub const REGISTRATIONS: usize = 128;

/// PERSISTENT RESERVE OUT: what is asked for (SPC-4, table 214), without what the CDB alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Register {
        ignore_key: bool,
        aptpl: bool,
    },
    Reserve(Kind),
    Release(Kind),
    Clear,
    /// Only the type matters: with it the preempting nexus reserves.
    Preempt {
        kind: Kind,
        abort: bool,
    },
}

/// The two keys of the parameter list (SPC-4, table 217).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// RESERVATION KEY: that of the nexus which asks.
    pub own: u64,
    /// SERVICE ACTION RESERVATION KEY.
    pub service: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// RESERVATION CONFLICT.
    Conflict,
    /// CHECK CONDITION, ILLEGAL REQUEST.
    Illegal(SenseCode),
}

/// What an accepted service action leaves to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Unit attentions to establish.
    pub attentions: Vec<(Identity, SenseCode)>,
    /// Whose commands are to be ended.
    pub aborted: Vec<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reservation {
    kind: Kind,
    /// Who made it. Of a type for all registrants every registered nexus is a holder.
    by: Identity,
}

/// The registrations of a logical unit and its reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    registered: BTreeMap<Identity, u64>,
    reservation: Option<Reservation>,
    /// PRGENERATION: counts changes of the registrations since power on.
    generation: u32,
    /// Kept over power loss: APTPL of the last registration.
    kept: bool,
}

impl Reservations {
    /// PERSISTENT RESERVE OUT by this nexus.
    pub fn change(&mut self, by: Identity, action: Action, keys: Keys) -> Result<Change, Refusal> {
        match action {
            Action::Register { ignore_key, aptpl } => self.register(by, keys, ignore_key, aptpl),
            _ if self.registered.get(&by) != Some(&keys.own) => Err(Refusal::Conflict),
            Action::Reserve(kind) => self.reserve(by, kind),
            Action::Release(kind) => self.release(by, kind),
            Action::Clear => Ok(self.clear(by)),
            Action::Preempt { kind, abort } => self.preempt(by, kind, keys.service, abort),
        }
    }

    /// Nobody is registered: RESERVE(6) and RELEASE(6) may be used (SPC-4, 5.13.3, with CRH = 0).
    pub fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    pub fn is_registered(&self, nexus: Identity) -> bool {
        self.registered.contains_key(&nexus)
    }

    /// It made the reservation, or is registered and the type makes holders of all registrants.
    fn is_holder(&self, nexus: Identity) -> bool {
        self.reservation.is_some_and(|it| match it.kind.for_all_registrants() {
            true => self.is_registered(nexus),
            false => it.by == nexus,
        })
    }

    /// REGISTER and REGISTER AND IGNORE EXISTING KEY (SPC-4, 5.13.7 and 5.13.11.3).
    fn register(&mut self, by: Identity, keys: Keys, ignore_key: bool, aptpl: bool) -> Result<Change, Refusal> {
        let before = self.registered.get(&by).copied();
        if !ignore_key && before.unwrap_or(0) != keys.own {
            return Err(Refusal::Conflict);
        }
        if before.is_none() && keys.service != 0 && self.registered.len() >= REGISTRATIONS {
            return Err(Refusal::Illegal(SenseCode::INSUFFICIENT_REGISTRATION_RESOURCES));
        }
        self.kept = aptpl;
        if before.is_none() && keys.service == 0 {
            return Ok(Change::default());
        }
        self.generation = self.generation.wrapping_add(1);
        match keys.service {
            0 => Ok(self.unregister(by)),
            key => {
                self.registered.insert(by, key);
                Ok(Change::default())
            }
        }
    }

    /// A holder that unregisters releases the reservation (SPC-4, 5.13.11.3); of a type for all registrants the last one.
    fn unregister(&mut self, by: Identity) -> Change {
        let held = self.is_holder(by);
        self.registered.remove(&by);
        match self.reservation {
            Some(it) if held && (!it.kind.for_all_registrants() || self.registered.is_empty()) => {
                self.reservation = None;
                // Of a type for all registrants nobody is left to be told.
                let told = it.kind.for_registrants_only();
                self.tell_others(by, SenseCode::RESERVATIONS_RELEASED, told)
            }
            _ => Change::default(),
        }
    }

    /// SPC-4, 5.13.9.
    fn reserve(&mut self, by: Identity, kind: Kind) -> Result<Change, Refusal> {
        match self.reservation {
            None => self.reservation = Some(Reservation { kind, by }),
            Some(it) if it.kind == kind && self.is_holder(by) => {}
            Some(_) => return Err(Refusal::Conflict),
        }
        Ok(Change::default())
    }

    /// SPC-4, 5.13.11.2.2.
    fn release(&mut self, by: Identity, kind: Kind) -> Result<Change, Refusal> {
        let Some(reservation) = self.reservation.filter(|_| self.is_holder(by)) else { return Ok(Change::default()) };
        if reservation.kind != kind {
            return Err(Refusal::Illegal(SenseCode::INVALID_RELEASE));
        }
        self.reservation = None;
        let told = kind.for_registrants_only() || kind.for_all_registrants();
        Ok(self.tell_others(by, SenseCode::RESERVATIONS_RELEASED, told))
    }

    /// SPC-4, 5.13.11.2.7.
    fn clear(&mut self, by: Identity) -> Change {
        let change = self.tell_others(by, SenseCode::RESERVATIONS_PREEMPTED, true);
        self.registered.clear();
        self.reservation = None;
        self.generation = self.generation.wrapping_add(1);
        change
    }

    fn tell_others(&self, by: Identity, code: SenseCode, told: bool) -> Change {
        let others = self.registered.keys().filter(|&&it| told && it != by);
        Change { attentions: others.map(|&it| (it, code)).collect(), aborted: Vec::new() }
    }
}
