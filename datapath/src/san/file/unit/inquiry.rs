//! INQUIRY: what this device is (SPC-4, 6.6 and 7.8; SBC-3, 6.5).

use super::{Answer, Done, LogicalUnit, limits};
use crate::scsi::{Cdb, Sense, SenseCode};

const VENDOR: &[u8; 8] = b"TWINRAIL";
const PRODUCT: &[u8; 16] = b"FILE LUN        ";
const REVISION: &[u8; 4] = b"0001";

/// Standard data with its version descriptors (SPC-4, table 142).
const STANDARD: usize = 74;
const VERSION_SPC_4: u8 = 0x06;
/// HISUP, response data format 2.
const FORMAT: u8 = 0x12;
const CMDQUE: u8 = 0x02;
/// SAM-5, SPC-4 and SBC-3, no version claimed (table 149).
const VERSIONS: [u8; 6] = [0x00, 0xa0, 0x04, 0x60, 0x04, 0xc0];

const SUPPORTED_PAGES: u8 = 0x00;
const SERIAL_NUMBER: u8 = 0x80;
const IDENTIFICATION: u8 = 0x83;
const BLOCK_LIMITS: u8 = 0xb0;
const CHARACTERISTICS: u8 = 0xb1;
const PROVISIONING: u8 = 0xb2;
const PAGES: [u8; 6] = [SUPPORTED_PAGES, SERIAL_NUMBER, IDENTIFICATION, BLOCK_LIMITS, CHARACTERISTICS, PROVISIONING];

impl LogicalUnit {
    pub(super) fn inquiry(&self, cdb: &Cdb) -> Answer {
        let octets = cdb.octets();
        let (vital, page) = (octets[1] & 1 != 0, octets[2]);
        if !vital {
            return match page {
                0 => Ok(Done::Data(standard())),
                _ => Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, Some(7)).into()),
            };
        }
        let content = match page {
            SUPPORTED_PAGES => PAGES.to_vec(),
            SERIAL_NUMBER => self.name.clone().into_bytes(),
            IDENTIFICATION => self.designators(),
            BLOCK_LIMITS => self.block_limits(),
            CHARACTERISTICS => characteristics(),
            PROVISIONING => provisioning(),
            _ => return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 2, Some(7)).into()),
        };
        let mut data = vec![0, page];
        data.extend((content.len() as u16).to_be_bytes());
        data.extend(content);
        Ok(Done::Data(data))
    }

    /// Page 83h: a world-wide name, locally assigned (NAA 3), made from the disk's name; and vendor and name in full.
    fn designators(&self) -> Vec<u8> {
        const BINARY_NAA: [u8; 3] = [0x01, 0x03, 0x00];
        const ASCII_VENDOR: [u8; 3] = [0x02, 0x01, 0x00];
        let name = 0x3 << 60 | fnv_1a(self.name.as_bytes()) >> 4;
        let mut data = BINARY_NAA.to_vec();
        data.push(8);
        data.extend(name.to_be_bytes());
        data.extend(ASCII_VENDOR);
        data.push((VENDOR.len() + self.name.len()) as u8);
        data.extend(VENDOR);
        data.extend(self.name.as_bytes());
        data
    }

    /// Page B0h. An optimal granularity of 4 KiB, as file systems have it.
    fn block_limits(&self) -> Vec<u8> {
        const WRITE_SAME_OF_ZERO_BLOCKS_REFUSED: u8 = 0x01;
        let block = u64::from(self.disk.geometry().block_length);
        let blocks = |octets: u64| octets / block;
        let granularity = blocks(4096) as u32;
        let mut data = vec![0; 60];
        let mut put =
            |offset: usize, octets: &[u8]| data[offset - 4..offset - 4 + octets.len()].copy_from_slice(octets);
        put(4, &[WRITE_SAME_OF_ZERO_BLOCKS_REFUSED, limits::COMPARE as u8]);
        put(6, &(granularity as u16).to_be_bytes());
        put(8, &(blocks(limits::TRANSFER) as u32).to_be_bytes());
        put(12, &(blocks(limits::TRANSFER / 8) as u32).to_be_bytes());
        put(20, &limits::UNMAP_BLOCKS.to_be_bytes());
        put(24, &limits::UNMAP_DESCRIPTORS.to_be_bytes());
        put(28, &granularity.to_be_bytes());
        put(36, &blocks(limits::WRITE_SAME).to_be_bytes());
        data
    }
}

fn standard() -> Vec<u8> {
    let mut data = vec![0, 0, VERSION_SPC_4, FORMAT, (STANDARD - 5) as u8, 0, 0, CMDQUE];
    data.extend(VENDOR);
    data.extend(PRODUCT);
    data.extend(REVISION);
    data.resize(58, 0);
    data.extend(VERSIONS);
    data.resize(STANDARD, 0);
    data
}

/// Page B1h: nothing rotates.
fn characteristics() -> Vec<u8> {
    let mut data = vec![0; 60];
    data[1] = 1;
    data
}

/// Page B2h: thin; UNMAP and both WRITE SAMEs deallocate, and what is deallocated reads as zeros.
fn provisioning() -> Vec<u8> {
    const LBPU_LBPWS_LBPWS10_LBPRZ: u8 = 0xe4;
    const THIN: u8 = 0x02;
    vec![0, LBPU_LBPWS_LBPWS10_LBPRZ, THIN, 0]
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fnv_1a(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3))
}
