//! The commands that a logical unit has: which bits of their CDBs mean something, and what a reservation says to them.
//! REPORT SUPPORTED OPERATION CODES tells this table, and every CDB is checked against it.

use super::super::reservation::Access;
use crate::scsi::{Cdb, Opcode, Sense, SenseCode};

/// One command.
#[derive(Debug)]
pub struct Supported {
    pub opcode: Opcode,
    pub service_action: Option<u8>,
    /// CDB USAGE DATA (SPC-4, 6.35.3): as many octets as the CDB has; a bit that is 0 must be 0. The first octet is the
    /// opcode; the service action stands where it stands in the CDB.
    pub usage: &'static [u8],
    pub access: Access,
}

const fn command(opcode: Opcode, access: Access, usage: &'static [u8]) -> Supported {
    Supported { opcode, service_action: None, usage, access }
}

const fn action(opcode: Opcode, access: Access, usage: &'static [u8]) -> Supported {
    Supported { opcode, service_action: Some(usage[1] & 0x1f), usage, access }
}

use Access::{Free, OldReservation, PersistentReservation, Read, Write};

/// DPO and FUA; RDPROTECT, WRPROTECT and group numbers are not supported.
const READ_10: &[u8] = &[0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];
const WRITE_10: &[u8] = &[0x2a, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];
/// DPO and BYTCHK.
const WRITE_AND_VERIFY_10: &[u8] = &[0x2e, 0x16, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];
const VERIFY_10: &[u8] = &[0x2f, 0x16, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];
/// IMMED.
const SYNCHRONIZE_CACHE_10: &[u8] = &[0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];
/// UNMAP.
const WRITE_SAME_10: &[u8] = &[0x41, 0x08, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0];

/// Usage of a CDB of twelve octets with an LBA and a length.
const fn twelve(opcode: u8, flags: u8) -> [u8; 12] {
    [opcode, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]
}

/// The same with sixteen octets.
const fn sixteen(opcode: u8, flags: u8) -> [u8; 16] {
    let all = 0xff;
    [opcode, flags, all, all, all, all, all, all, all, all, all, all, all, all, 0, 0]
}

/// By opcode, then service action.
pub const COMMANDS: &[Supported] = &[
    command(Opcode::TEST_UNIT_READY, Free, &[0x00, 0, 0, 0, 0, 0]),
    command(Opcode::REQUEST_SENSE, Free, &[0x03, 0x01, 0, 0, 0xff, 0]),
    command(Opcode::READ_6, Read, &[0x08, 0x1f, 0xff, 0xff, 0xff, 0]),
    command(Opcode::WRITE_6, Write, &[0x0a, 0x1f, 0xff, 0xff, 0xff, 0]),
    command(Opcode::INQUIRY, Free, &[0x12, 0x01, 0xff, 0xff, 0xff, 0]),
    command(Opcode::RESERVE_6, OldReservation, &[0x16, 0, 0, 0, 0, 0]),
    command(Opcode::RELEASE_6, OldReservation, &[0x17, 0, 0, 0, 0, 0]),
    command(Opcode::MODE_SENSE_6, Read, &[0x1a, 0x08, 0xff, 0xff, 0xff, 0]),
    command(Opcode::START_STOP_UNIT, Write, &[0x1b, 0x01, 0, 0x0f, 0xf7, 0]),
    command(Opcode::READ_CAPACITY_10, Free, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    command(Opcode::READ_10, Read, READ_10),
    command(Opcode::WRITE_10, Write, WRITE_10),
    command(Opcode::WRITE_AND_VERIFY_10, Write, WRITE_AND_VERIFY_10),
    command(Opcode::VERIFY_10, Read, VERIFY_10),
    command(Opcode::SYNCHRONIZE_CACHE_10, Write, SYNCHRONIZE_CACHE_10),
    command(Opcode::WRITE_SAME_10, Write, WRITE_SAME_10),
    command(Opcode::UNMAP, Write, &[0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    command(Opcode::MODE_SENSE_10, Read, &[0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_IN, PersistentReservation, &[0x5e, 0x00, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_IN, PersistentReservation, &[0x5e, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_IN, PersistentReservation, &[0x5e, 0x02, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_IN, PersistentReservation, &[0x5e, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x00, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x01, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x02, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x03, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x04, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x05, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    action(Opcode::PERSISTENT_RESERVE_OUT, PersistentReservation, &[0x5f, 0x06, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    command(Opcode::READ_16, Read, &sixteen(0x88, 0x18)),
    command(
        Opcode::COMPARE_AND_WRITE,
        Write,
        &[0x89, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0],
    ),
    command(Opcode::WRITE_16, Write, &sixteen(0x8a, 0x18)),
    command(Opcode::WRITE_AND_VERIFY_16, Write, &sixteen(0x8e, 0x16)),
    command(Opcode::VERIFY_16, Read, &sixteen(0x8f, 0x16)),
    command(Opcode::SYNCHRONIZE_CACHE_16, Write, &sixteen(0x91, 0x02)),
    command(Opcode::WRITE_SAME_16, Write, &sixteen(0x93, 0x09)),
    action(
        Opcode::SERVICE_ACTION_IN_16,
        Free,
        &[0x9e, Cdb::READ_CAPACITY_16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    ),
    command(Opcode::REPORT_LUNS, Free, &[0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    action(
        Opcode::MAINTENANCE_IN,
        Read,
        &[0xa3, Cdb::REPORT_SUPPORTED_OPERATION_CODES, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    ),
    action(
        Opcode::MAINTENANCE_IN,
        Read,
        &[0xa3, Cdb::REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    ),
    command(Opcode::READ_12, Read, &twelve(0xa8, 0x18)),
    command(Opcode::WRITE_12, Write, &twelve(0xaa, 0x18)),
    command(Opcode::WRITE_AND_VERIFY_12, Write, &twelve(0xae, 0x16)),
    command(Opcode::VERIFY_12, Read, &twelve(0xaf, 0x16)),
];

/// The entry for a CDB. None of that opcode, or none of that service action, has its own sense (SPC-4, 4.3.4.2).
pub fn find(cdb: &Cdb) -> Result<&'static Supported, Sense> {
    let mut of_opcode = COMMANDS.iter().filter(|it| it.opcode == cdb.opcode()).peekable();
    if of_opcode.peek().is_none() {
        return Err(Sense::illegal_request(SenseCode::INVALID_OPCODE));
    }
    let entry = of_opcode.find(|it| it.service_action == cdb.service_action());
    entry.ok_or_else(|| Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 1, Some(4)))
}

/// The first octet with a bit that means nothing to us is pointed at.
pub fn check_fields(supported: &Supported, cdb: &Cdb) -> Result<(), Sense> {
    let from = if supported.service_action.is_some() { 2 } else { 1 };
    for (index, (octet, usage)) in cdb.octets().iter().zip(supported.usage).enumerate().skip(from) {
        let wrong = octet & !usage;
        if wrong != 0 {
            let highest = 7 - wrong.leading_zeros() as u8;
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, index, Some(highest)));
        }
    }
    match supported.service_action {
        Some(_) if cdb.octets()[1] & 0xe0 != 0 => Err(Sense::invalid_field(
            SenseCode::INVALID_FIELD_IN_CDB,
            1,
            Some(7 - cdb.octets()[1].leading_zeros() as u8),
        )),
        _ => Ok(()),
    }
}
