//! RESERVE(6), RELEASE(6) and persistent reservations, as commands.

use super::super::reservation::{
    Access, Action, Change, Keys, Kind, LOGICAL_UNIT_SCOPE, Refusal as Refused, Report, report,
};
use super::{Answer, Done, LogicalUnit, Refusal, needed};
use crate::san::Identity;
use crate::scsi::{Cdb, Command, Opcode, Sense, SenseCode, SenseKey};

/// The parameter list of PERSISTENT RESERVE OUT, basic form (SPC-4, table 217).
const PARAMETERS: usize = 24;
const FLAGS: usize = 20;
const ALL_TG_PT: u8 = 0x04;
const APTPL: u8 = 0x01;

impl LogicalUnit {
    /// SPC-4, 5.13.1 and tables 68 and 69; for RESERVE(6), SPC-2, 5.5.
    pub(super) fn check_reservations(&self, by: Identity, cdb: &Cdb, access: Access) -> Result<(), Refusal> {
        let access = needed(access, cdb);
        let free_of_old = matches!(
            cdb.opcode(),
            Opcode::INQUIRY
                | Opcode::REPORT_LUNS
                | Opcode::REQUEST_SENSE
                | Opcode::READ_CAPACITY_10
                | Opcode::SERVICE_ACTION_IN_16
                | Opcode::RELEASE_6
        );
        let allowed = match self.reserved_by {
            // Whoever holds the old kind may not use the new one beside it.
            Some(_) if access == Access::PersistentReservation => false,
            Some(holder) => holder == by || free_of_old,
            None => self.reservations.allows(by, access),
        };
        if allowed { Ok(()) } else { Err(Refusal::Conflict) }
    }

    pub(super) fn reserve_6(&mut self, by: Identity) -> Answer {
        self.check_nobody_registered()?;
        self.reserved_by = Some(by);
        Ok(Done::Good)
    }

    /// Of who does not hold it: GOOD, and nothing happens.
    pub(super) fn release_6(&mut self, by: Identity) -> Answer {
        self.check_nobody_registered()?;
        self.reserved_by = self.reserved_by.filter(|&it| it != by);
        Ok(Done::Good)
    }

    fn check_nobody_registered(&self) -> Result<(), Refusal> {
        if self.reservations.is_empty() { Ok(()) } else { Err(Refusal::Conflict) }
    }

    pub(super) fn persistent_reserve_in(&self, cdb: &Cdb) -> Answer {
        let what = cdb.service_action().and_then(Report::from_bits);
        let what = what.ok_or_else(|| Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 1, Some(4)))?;
        Ok(Done::Data(report(&self.reservations, what)))
    }

    /// Whatever is to survive a power loss is durable before anything changes in memory.
    pub(super) fn persistent_reserve_out(&mut self, by: Identity, command: &Command) -> Answer {
        let (action, keys) = parse(command)?;
        let mut next = self.reservations.clone();
        let Change { attentions, aborted } = next.change(by, action, keys).map_err(Refusal::from)?;
        if let Err(error) = self.keeper.store(&next) {
            tracing::error!(%error, disk = self.name, "could not keep the reservations");
            return Err(Sense::new(SenseKey::HardwareError, SenseCode::INTERNAL_TARGET_FAILURE).into());
        }
        self.reservations = next;
        for (identity, code) in attentions {
            self.attentions.establish(identity, code);
        }
        Ok(Done::Aborting(aborted))
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict => Self::Conflict,
            Refused::Illegal(code) => Self::Sense(Sense::illegal_request(code)),
        }
    }
}

/// The CDB and its parameter list (SPC-4, 6.16).
fn parse(command: &Command) -> Result<(Action, Keys), Refusal> {
    let cdb = &command.cdb;
    let parameters = command.data_out.get(..PARAMETERS).filter(|_| cdb.parameter_list_length() == Some(24));
    let parameters = parameters.ok_or_else(|| Sense::illegal_request(SenseCode::PARAMETER_LIST_LENGTH_ERROR))?;
    let key = |from: usize| u64::from_be_bytes(std::array::from_fn(|index| parameters[from + index]));
    let flags = parameters[FLAGS];
    let aptpl = flags & APTPL != 0;
    let action = match cdb.service_action() {
        // SPEC_I_PT, which would register others, and reserved bits.
        Some(0 | 6) if flags & !(ALL_TG_PT | APTPL) != 0 => {
            let highest = 7 - (flags & !(ALL_TG_PT | APTPL)).leading_zeros() as u8;
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_PARAMETERS, FLAGS, Some(highest)).into());
        }
        Some(service @ (0 | 6)) => Action::Register { ignore_key: service == 6, aptpl },
        Some(1) => Action::Reserve(kind(cdb)?),
        Some(2) => Action::Release(kind(cdb)?),
        Some(3) => Action::Clear,
        Some(service @ (4 | 5)) => Action::Preempt { kind: kind(cdb)?, abort: service == 5 },
        _ => return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 1, Some(4)).into()),
    };
    Ok((action, Keys { own: key(0), service: key(8) }))
}

/// SCOPE and TYPE.
fn kind(cdb: &Cdb) -> Result<Kind, Sense> {
    let octet = cdb.octets()[2];
    let kind = Kind::from_bits(octet & 0x0f).filter(|_| octet >> 4 == LOGICAL_UNIT_SCOPE);
    kind.ok_or_else(|| Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, None))
}
