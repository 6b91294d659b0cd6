//! PREEMPT and PREEMPT AND ABORT (SPC-4, 5.13.11.2.3 to 5.13.11.2.6): taking the registrations of others away, and with
//! them perhaps the reservation.

use super::{Change, Kind, Refusal, Reservation, Reservations};
use crate::san::Identity;
use crate::scsi::SenseCode;

impl Reservations {
    pub(super) fn preempt(&mut self, by: Identity, kind: Kind, key: u64, abort: bool) -> Result<Change, Refusal> {
        let all_registrants = self.reservation.filter(|it| it.kind.for_all_registrants());
        let holder_key = self.reservation.and_then(|it| self.registered.get(&it.by).copied());
        let change = match (all_registrants, key) {
            (Some(former), 0) => {
                let victims = self.registered_where(|nexus, _| nexus != by);
                self.take_over(by, kind, former, victims)
            }
            (None, 0) => return Err(Refusal::Illegal(SenseCode::INVALID_FIELD_IN_PARAMETERS)),
            (None, key) if holder_key == Some(key) => {
                let former = self.reservation.expect("it has a holder");
                let victims = self.registered_where(|nexus, it| it == key && nexus != by);
                self.take_over(by, kind, former, victims)
            }
            (_, key) => self.take_registrations(by, key)?,
        };
        self.generation = self.generation.wrapping_add(1);
        let aborted = match abort {
            true => change.1,
            false => Vec::new(),
        };
        Ok(Change { attentions: change.0, aborted })
    }

    /// The reservation goes to the preempting nexus (table 71, "preempt the persistent reservation").
    fn take_over(&mut self, by: Identity, kind: Kind, former: Reservation, victims: Vec<Identity>) -> Taken {
        let mut attentions = self.remove(by, &victims);
        self.reservation = Some(Reservation { kind, by });
        if former.kind != kind {
            let others = self.registered_where(|nexus, _| nexus != by);
            attentions.extend(others.into_iter().map(|it| (it, SenseCode::RESERVATIONS_RELEASED)));
        }
        (attentions, victims)
    }

    /// Only registrations go; the reservation stays, unless nobody is left to hold it.
    fn take_registrations(&mut self, by: Identity, key: u64) -> Result<Taken, Refusal> {
        let victims = self.registered_where(|_, it| it == key);
        if victims.is_empty() {
            return Err(Refusal::Conflict);
        }
        let attentions = self.remove(by, &victims);
        if self.registered.is_empty() {
            self.reservation = None;
        }
        Ok((attentions, victims.into_iter().filter(|&it| it != by).collect()))
    }

    fn remove(&mut self, by: Identity, victims: &[Identity]) -> Vec<(Identity, SenseCode)> {
        for victim in victims {
            self.registered.remove(victim);
        }
        let told = victims.iter().filter(|&&it| it != by);
        told.map(|&it| (it, SenseCode::REGISTRATIONS_PREEMPTED)).collect()
    }

    fn registered_where(&self, which: impl Fn(Identity, u64) -> bool) -> Vec<Identity> {
        self.registered.iter().filter(|&(&nexus, &key)| which(nexus, key)).map(|(&nexus, _)| nexus).collect()
    }
}

/// Unit attentions, and who lost a registration.
type Taken = (Vec<(Identity, SenseCode)>, Vec<Identity>);
