//! MODE SENSE (SPC-4, 6.13, 6.14 and 7.5; SBC-3, 6.4). Nothing can be changed: there is no MODE SELECT, and every mask of
//! changeable bits is 0.

use super::{Answer, Done, LogicalUnit};
use crate::scsi::{Cdb, Opcode, Sense, SenseCode};

/// DPOFUA: DPO and FUA are taken. WP is 0.
const DEVICE_SPECIFIC: u8 = 0x10;
const LONG_LBA: u8 = 0x01;

/// Page control (SPC-4, table 163).
const CHANGEABLE: u8 = 0b01;
const SAVED: u8 = 0b11;

const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;

/// Read-write error recovery: AWRE, ARRE.
const RECOVERY: [u8; 12] = [0x01, 10, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Caching: WCE. The kernel's cache loses what was not synchronized when the power fails.
const CACHING: [u8; 20] = [0x08, 18, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Control: sense data in fixed form, one task set for all, commands in order, TAS.
const CONTROL: [u8; 12] = [0x0a, 10, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0];
/// Informational exceptions: none are reported (DEXCPT).
const EXCEPTIONS: [u8; 12] = [0x1c, 10, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const PAGES: [&[u8]; 4] = [&RECOVERY, &CACHING, &CONTROL, &EXCEPTIONS];

impl LogicalUnit {
    pub(super) fn mode_sense(&self, cdb: &Cdb) -> Answer {
        let octets = cdb.octets();
        let ten = cdb.opcode() == Opcode::MODE_SENSE_10;
        let without_descriptors = octets[1] & 0x08 != 0;
        let long = ten && octets[1] & 0x10 != 0;
        let pages = pages(octets[2] >> 6, octets[2] & 0x3f, octets[3])?;
        let descriptor = if without_descriptors { Vec::new() } else { self.block_descriptor(long) };
        let length = descriptor.len() as u8;
        let rest = descriptor.len() + pages.len();
        let mut data = match ten {
            false => vec![(3 + rest) as u8, 0, DEVICE_SPECIFIC, length],
            true => {
                let [high, low] = (6 + rest as u16).to_be_bytes();
                let long = if long && length > 0 { LONG_LBA } else { 0 };
                vec![high, low, 0, DEVICE_SPECIFIC, long, 0, 0, length]
            }
        };
        data.extend(descriptor);
        data.extend(pages);
        Ok(Done::Data(data))
    }

    /// SBC-3, 6.4.2.
    fn block_descriptor(&self, long: bool) -> Vec<u8> {
        let geometry = self.disk.geometry();
        let mut data = match long {
            true => [geometry.blocks.to_be_bytes(), [0; 8]].concat(),
            false => [u32::try_from(geometry.blocks).unwrap_or(u32::MAX).to_be_bytes(), [0; 4]].concat(),
        };
        let end = data.len() - 4;
        data[end..].copy_from_slice(&geometry.block_length.to_be_bytes());
        data
    }
}

fn pages(control: u8, page: u8, subpage: u8) -> Result<Vec<u8>, Sense> {
    if control == SAVED {
        return Err(Sense::illegal_request(SenseCode::SAVING_NOT_SUPPORTED));
    }
    if subpage != 0 && subpage != ALL_SUBPAGES {
        return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 3, Some(7)));
    }
    let mut data = Vec::new();
    for content in PAGES.iter().filter(|it| page == ALL_PAGES || page == it[0]) {
        data.extend(&content[..2]);
        data.extend(content[2..].iter().map(|&octet| if control == CHANGEABLE { 0 } else { octet }));
    }
    if data.is_empty() {
        return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, Some(5)));
    }
    Ok(data)
}
