//! REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4, 6.35 and 6.36).

use super::commands::{COMMANDS, Supported};
use super::{Answer, Done};
use crate::scsi::{Cdb, Opcode, Sense, SenseCode};

/// REPORTING OPTIONS (table 245).
const ALL: u8 = 0b000;
const BY_OPCODE: u8 = 0b001;
const BY_SERVICE_ACTION: u8 = 0b010;
const BY_EITHER: u8 = 0b011;

/// SUPPORT (table 250).
const NOT_SUPPORTED: u8 = 0b001;
const AS_IN_THE_STANDARD: u8 = 0b011;

/// SERVACTV and CTDP of a command descriptor; CTDP of one command alone.
const SERVACTV: u8 = 0x01;
const CTDP: u8 = 0x02;
const CTDP_OF_ONE: u8 = 0x80;

/// A command timeouts descriptor without any time (6.35.4).
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// ATS, ATSS, CTSS and LURS: ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET.
const FUNCTIONS: [u8; 4] = [0xd8, 0, 0, 0];

pub(super) fn report(cdb: &Cdb) -> Answer {
    let extended = cdb.octets()[2] & 0x80 != 0;
    if cdb.service_action() == Some(Cdb::REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS) {
        return Ok(Done::Data(functions(extended)));
    }
    report_operations(cdb, extended).map(Done::Data).map_err(Into::into)
}

/// REPD: with the extended form (table 254), which has nothing more to say.
fn functions(extended: bool) -> Vec<u8> {
    let mut data = FUNCTIONS.to_vec();
    if extended {
        data[3] = 0x0c;
        data.resize(16, 0);
    }
    data
}

/// RCTD: with timeouts descriptors.
fn report_operations(cdb: &Cdb, timeouts: bool) -> Result<Vec<u8>, Sense> {
    let octets = cdb.octets();
    let opcode = Opcode(octets[3]);
    let action = u16::from_be_bytes([octets[4], octets[5]]);
    let wrong = |octet| Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, octet, None);
    let has_actions = opcode.has_service_action() && of(opcode).next().is_some();
    let by_action = || of(opcode).find(|it| it.service_action.map(u16::from) == Some(action));
    match octets[2] & 0x07 {
        ALL => Ok(all(timeouts)),
        BY_OPCODE if has_actions => Err(wrong(2)),
        BY_OPCODE => Ok(one(of(opcode).next(), timeouts)),
        BY_SERVICE_ACTION if !has_actions => Err(wrong(2)),
        BY_SERVICE_ACTION => Ok(one(by_action(), timeouts)),
        BY_EITHER if has_actions => Ok(one(by_action(), timeouts)),
        BY_EITHER => Ok(one(of(opcode).next().filter(|_| action == 0), timeouts)),
        _ => Err(wrong(2)),
    }
}

fn of(opcode: Opcode) -> impl Iterator<Item = &'static Supported> {
    COMMANDS.iter().filter(move |it| it.opcode == opcode)
}

/// Table 246 and 247.
fn all(timeouts: bool) -> Vec<u8> {
    let mut list = Vec::new();
    for Supported { opcode, service_action, usage, .. } in COMMANDS {
        let actions = service_action.map_or(0, |_| SERVACTV);
        let flags = actions | if timeouts { CTDP } else { 0 };
        let length = usage.len() as u8;
        list.extend([opcode.0, 0, 0, service_action.unwrap_or(0), 0, flags, 0, length]);
        list.extend(NO_TIMEOUTS.iter().filter(|_| timeouts));
    }
    [(list.len() as u32).to_be_bytes().to_vec(), list].concat()
}

/// Table 249.
fn one(supported: Option<&Supported>, timeouts: bool) -> Vec<u8> {
    let Some(supported) = supported else { return vec![0, NOT_SUPPORTED, 0, 0] };
    let flags = AS_IN_THE_STANDARD | if timeouts { CTDP_OF_ONE } else { 0 };
    let mut data = vec![0, flags, 0, supported.usage.len() as u8];
    data.extend(supported.usage);
    data.extend(NO_TIMEOUTS.iter().filter(|_| timeouts));
    data
}
