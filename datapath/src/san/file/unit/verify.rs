//! VERIFY and WRITE AND VERIFY (SBC-3, 5.29 and 5.36): what is on the disk, compared with what the initiator has.

use super::{Answer, Done, LogicalUnit, Refusal};
use crate::scsi::{Command, Sense, SenseCode, SenseKey};

/// BYTCHK (SBC-3, table 103).
const MEDIUM_ONLY: u8 = 0b00;
const ALL_BLOCKS: u8 = 0b01;
const ONE_BLOCK: u8 = 0b11;

impl LogicalUnit {
    pub(super) fn verify(&mut self, command: &Command) -> Answer {
        let (lba, blocks) = self.transfer_range(&command.cdb)?;
        match command.cdb.byte_check() {
            MEDIUM_ONLY => {
                self.disk.read(lba, blocks).map_err(|error| self.read_failure(lba, error))?;
            }
            ALL_BLOCKS => self.compare(lba, blocks, self.data_out(command, blocks.into())?)?,
            ONE_BLOCK if blocks > 0 => {
                let block = self.data_out(command, 1)?;
                self.compare(lba, blocks, &block.repeat(blocks as usize))?;
            }
            ONE_BLOCK => {}
            _ => return Err(invalid_byte_check()),
        }
        Ok(Done::Good)
    }

    /// Written, read back and compared, and durable before it is answered.
    pub(super) fn write_and_verify(&mut self, command: &Command) -> Answer {
        if !matches!(command.cdb.byte_check(), MEDIUM_ONLY | ALL_BLOCKS) {
            return Err(invalid_byte_check());
        }
        let (lba, blocks) = self.transfer_range(&command.cdb)?;
        let data = self.data_out(command, blocks.into())?;
        self.disk.write(lba, data).map_err(|error| self.write_failure(error))?;
        self.compare(lba, blocks, data)?;
        Ok(Done::Durable)
    }

    /// MISCOMPARE points at the first octet that differs.
    pub(super) fn compare(&self, lba: u64, blocks: u32, expected: &[u8]) -> Result<(), Refusal> {
        let found = self.disk.read(lba, blocks).map_err(|error| self.read_failure(lba, error))?;
        match found.iter().zip(expected).position(|(found, expected)| found != expected) {
            None => Ok(()),
            Some(offset) => {
                let sense = Sense::new(SenseKey::Miscompare, SenseCode::MISCOMPARE);
                Err(sense.with_information(offset as u64).into())
            }
        }
    }
}

fn invalid_byte_check() -> Refusal {
    Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 1, Some(2)).into()
}
