//! What a target answers for itself: the list of its LUNs, and commands to a LUN that it does not show.

use bytes::Bytes;

use crate::scsi::{Cdb, Command, Lun, Opcode, Response, Sense, SenseCode};

/// Peripheral qualifier 011b, type 1Fh: there can be no device here (SPC-4, table 144).
const NOBODY: u8 = 0x7f;
const STANDARD_INQUIRY: usize = 36;

/// SELECT REPORT (SPC-4, table 233).
const ADDRESSED: u8 = 0x00;
const WELL_KNOWN: u8 = 0x01;
const ALL: u8 = 0x02;

/// Which octets of REPORT LUNS may be other than 0.
const REPORT_LUNS_USAGE: [u8; 12] = [0xff, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];

/// REPORT LUNS (SPC-4, 6.33).
pub fn report_luns(command: &Command, luns: impl Iterator<Item = Lun>) -> Response {
    let octets = command.cdb.padded();
    if let Some(wrong) = (0..REPORT_LUNS_USAGE.len()).find(|&it| octets[it] & !REPORT_LUNS_USAGE[it] != 0) {
        return Response::check_condition(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, wrong, None));
    }
    let luns: Vec<u8> = match octets[2] {
        ADDRESSED | ALL => luns.flat_map(Lun::octets).collect(),
        WELL_KNOWN => Vec::new(),
        _ => return Response::check_condition(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, None)),
    };
    let mut data = (luns.len() as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.extend(luns);
    answer(command, data)
}

/// A command to a LUN that is not shown to this initiator (SPC-4, 5.3 and 6.6.1; SAM-5, 5.11).
pub fn absent(command: &Command) -> Response {
    match command.cdb.opcode() {
        Opcode::INQUIRY if command.cdb.octets()[1..3] == [0, 0] => {
            let mut data = vec![0; STANDARD_INQUIRY];
            data[0] = NOBODY;
            data[4] = (STANDARD_INQUIRY - 5) as u8;
            answer(command, data)
        }
        Opcode::REQUEST_SENSE => {
            answer(command, sense_data(&command.cdb, Sense::illegal_request(SenseCode::LUN_NOT_SUPPORTED)))
        }
        _ => Response::check_condition(Sense::illegal_request(SenseCode::LUN_NOT_SUPPORTED)),
    }
}

/// In the form that REQUEST SENSE asks for by DESC.
pub fn sense_data(cdb: &Cdb, sense: Sense) -> Vec<u8> {
    match cdb.octets()[1] & 1 {
        0 => sense.to_fixed().to_vec(),
        _ => sense.to_descriptors(),
    }
}

/// Data, cut to the CDB's allocation length and the initiator's buffer.
pub fn answer(command: &Command, mut data: Vec<u8>) -> Response {
    data.truncate(command.cdb.allocation_length().unwrap_or(u32::MAX) as usize);
    Response::data(Bytes::from(data), command)
}
