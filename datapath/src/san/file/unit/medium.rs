//! Commands that read and change blocks (SBC-3, clause 5). Everything is checked before the first octet is written.

use std::io;

use super::{Answer, Done, LogicalUnit, Refusal, limits};
use crate::scsi::{Cdb, Command, Opcode, Sense, SenseCode, SenseKey};

/// UNMAP's parameter list: its header and its descriptors (SBC-3, tables 91 and 92).
const UNMAP_HEADER: usize = 8;
const UNMAP_DESCRIPTOR: usize = 16;

impl LogicalUnit {
    pub(super) fn medium(&mut self, command: &Command) -> Answer {
        self.check_ready()?;
        let cdb = &command.cdb;
        match cdb.opcode() {
            Opcode::READ_6 | Opcode::READ_10 | Opcode::READ_12 | Opcode::READ_16 => self.read(cdb),
            Opcode::WRITE_6 | Opcode::WRITE_10 | Opcode::WRITE_12 | Opcode::WRITE_16 => self.write(command),
            Opcode::WRITE_AND_VERIFY_10 | Opcode::WRITE_AND_VERIFY_12 | Opcode::WRITE_AND_VERIFY_16 => {
                self.write_and_verify(command)
            }
            Opcode::VERIFY_10 | Opcode::VERIFY_12 | Opcode::VERIFY_16 => self.verify(command),
            Opcode::SYNCHRONIZE_CACHE_10 | Opcode::SYNCHRONIZE_CACHE_16 => self.synchronize(cdb),
            Opcode::WRITE_SAME_10 | Opcode::WRITE_SAME_16 => self.write_same(command),
            Opcode::COMPARE_AND_WRITE => self.compare_and_write(command),
            Opcode::UNMAP => self.unmap(command),
            _ => Err(Sense::illegal_request(SenseCode::INVALID_OPCODE).into()),
        }
    }

    /// Of a READ with FUA the medium must have what is returned (SBC-3, 4.15.3).
    fn read(&mut self, cdb: &Cdb) -> Answer {
        let (lba, blocks) = self.transfer_range(cdb)?;
        if cdb.force_unit_access() {
            self.disk.sync().map_err(|error| self.write_failure(error))?;
        }
        let data = self.disk.read(lba, blocks).map_err(|error| self.read_failure(lba, error))?;
        Ok(Done::Blocks(data))
    }

    fn write(&mut self, command: &Command) -> Answer {
        let (lba, blocks) = self.transfer_range(&command.cdb)?;
        let data = self.data_out(command, u64::from(blocks))?;
        self.disk.write(lba, data).map_err(|error| self.write_failure(error))?;
        Ok(if command.cdb.force_unit_access() { Done::Durable } else { Done::Good })
    }

    /// The range makes no difference: all is made durable.
    fn synchronize(&mut self, cdb: &Cdb) -> Answer {
        self.range(cdb)?;
        Ok(Done::Durable)
    }

    fn write_same(&mut self, command: &Command) -> Answer {
        const UNMAP: u8 = 0x08;
        const NO_DATA_OUT: u8 = 0x01;
        let cdb = &command.cdb;
        let (lba, blocks) = self.range(cdb)?;
        let most = limits::WRITE_SAME / u64::from(self.disk.geometry().block_length);
        if blocks == 0 || u64::from(blocks) > most {
            let field = if cdb.opcode() == Opcode::WRITE_SAME_10 { 7 } else { 10 };
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, field, None).into());
        }
        let flags = cdb.octets()[1];
        let zeros = vec![0; self.disk.geometry().block_length as usize];
        let block = match flags & NO_DATA_OUT {
            0 => self.data_out(command, 1)?,
            _ => &zeros,
        };
        // Deallocated blocks read as zeros (LBPRZ), so only zeros may be deallocated (SBC-3, 4.7.3.4.4).
        let result = match flags & UNMAP != 0 && block == zeros {
            true => self.disk.unmap(lba, blocks.into()),
            false => self.disk.fill(lba, blocks.into(), block),
        };
        result.map_err(|error| self.write_failure(error))?;
        Ok(Done::Good)
    }

    /// The first half of the data is compared, then the second is written (SBC-3, 5.2).
    fn compare_and_write(&mut self, command: &Command) -> Answer {
        let (lba, blocks) = self.range(&command.cdb)?;
        if blocks > limits::COMPARE {
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 13, None).into());
        }
        let data = self.data_out(command, 2 * u64::from(blocks))?;
        let (expected, new) = data.split_at(data.len() / 2);
        self.compare(lba, blocks, expected)?;
        self.disk.write(lba, new).map_err(|error| self.write_failure(error))?;
        Ok(if command.cdb.force_unit_access() { Done::Durable } else { Done::Good })
    }

    fn unmap(&mut self, command: &Command) -> Answer {
        let ranges = self.unmap_ranges(command)?;
        for (lba, blocks) in ranges {
            self.disk.unmap(lba, blocks).map_err(|error| self.write_failure(error))?;
        }
        Ok(Done::Good)
    }

    /// All descriptors are checked before the first one is obeyed (SBC-3, 5.28.2).
    fn unmap_ranges(&self, command: &Command) -> Result<Vec<(u64, u64)>, Refusal> {
        let length = command.cdb.parameter_list_length().unwrap_or(0) as usize;
        if length == 0 {
            return Ok(Vec::new());
        }
        let list = command.data_out.get(..length).filter(|it| it.len() >= UNMAP_HEADER);
        let list = list.ok_or_else(|| Sense::illegal_request(SenseCode::PARAMETER_LIST_LENGTH_ERROR))?;
        let claimed = usize::from(u16::from_be_bytes([list[2], list[3]]));
        let descriptors = &list[UNMAP_HEADER..];
        if claimed > descriptors.len() {
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_PARAMETERS, 2, None).into());
        }
        let mut ranges = Vec::new();
        let mut sum = 0u64;
        // A part of a descriptor at the end is none.
        for descriptor in descriptors[..claimed].chunks_exact(UNMAP_DESCRIPTOR) {
            let lba = u64::from_be_bytes(std::array::from_fn(|index| descriptor[index]));
            let blocks = u64::from(u32::from_be_bytes(std::array::from_fn(|index| descriptor[8 + index])));
            self.check_range(lba, blocks)?;
            sum += blocks;
            ranges.push((lba, blocks));
        }
        if ranges.len() > limits::UNMAP_DESCRIPTORS as usize || sum > u64::from(limits::UNMAP_BLOCKS) {
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_PARAMETERS, UNMAP_HEADER, None).into());
        }
        Ok(ranges)
    }

    /// The command's blocks; they are on the disk.
    pub(super) fn range(&self, cdb: &Cdb) -> Result<(u64, u32), Refusal> {
        let lba = cdb.lba().expect("a command for blocks has an LBA");
        let blocks = cdb.transfer_length().expect("a command for blocks has a length");
        self.check_range(lba, blocks.into())?;
        Ok((lba, blocks))
    }

    /// The same, of a command whose blocks are held in memory.
    pub(super) fn transfer_range(&self, cdb: &Cdb) -> Result<(u64, u32), Refusal> {
        let (lba, blocks) = self.range(cdb)?;
        if self.disk.geometry().octets(blocks.into()) > limits::TRANSFER {
            let field = match cdb.octets().len() {
                6 => 4,
                10 => 7,
                12 => 6,
                _ => 10,
            };
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, field, None).into());
        }
        Ok((lba, blocks))
    }

    fn check_range(&self, lba: u64, blocks: u64) -> Result<(), Refusal> {
        match lba.checked_add(blocks).is_some_and(|end| end <= self.disk.geometry().blocks) {
            true => Ok(()),
            false => Err(Sense::illegal_request(SenseCode::LBA_OUT_OF_RANGE).into()),
        }
    }

    /// So many blocks of what came with the command. If it is less than the CDB says, nothing can be executed.
    pub(super) fn data_out<'a>(&self, command: &'a Command, blocks: u64) -> Result<&'a [u8], Refusal> {
        let length = self.disk.geometry().octets(blocks) as usize;
        let data = command.data_out.get(..length);
        data.ok_or_else(|| Sense::illegal_request(SenseCode::INVALID_FIELD_IN_UNIT).into())
    }

    pub(super) fn read_failure(&self, lba: u64, error: io::Error) -> Refusal {
        tracing::error!(%error, disk = self.name, lba, "could not read");
        Sense::new(SenseKey::MediumError, SenseCode::UNRECOVERED_READ_ERROR).with_information(lba).into()
    }

    /// A full file system is what SBC-3, 4.7.3.6, calls a failed allocation; anything else is the medium's.
    pub(super) fn write_failure(&self, error: io::Error) -> Refusal {
        tracing::error!(%error, disk = self.name, "could not write");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Sense::new(SenseKey::DataProtect, SenseCode::SPACE_ALLOCATION_FAILED).into()
            }
            _ => Sense::new(SenseKey::MediumError, SenseCode::WRITE_ERROR).into(),
        }
    }

    /// SBC-3, 5.15.
    pub(super) fn read_capacity_10(&self) -> Answer {
        let geometry = self.disk.geometry();
        let last = u32::try_from(geometry.blocks - 1).unwrap_or(u32::MAX);
        Ok(Done::Data([last.to_be_bytes(), geometry.block_length.to_be_bytes()].concat()))
    }

    /// SBC-3, 5.16: no protection, thin (LBPME), deallocated blocks read as zeros (LBPRZ).
    pub(super) fn read_capacity_16(&self) -> Answer {
        const LBPME_LBPRZ: u8 = 0xc0;
        let geometry = self.disk.geometry();
        let mut data = (geometry.blocks - 1).to_be_bytes().to_vec();
        data.extend(geometry.block_length.to_be_bytes());
        data.extend([0, 0, LBPME_LBPRZ]);
        data.resize(32, 0);
        Ok(Done::Data(data))
    }
}
