use std::fmt;

use super::{Opcode, number};

/// A command descriptor block of 6, 10, 12 or 16 octets (SPC-4, clause 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cdb {
    octets: [u8; Self::MAX],
    length: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CdbError {
    #[error("a CDB of {0} octets; we carry those of 6, 10, 12 and 16")]
    Length(usize),
    #[error("{opcode} in a CDB of {length} octets")]
    Mismatch { opcode: Opcode, length: usize },
    #[error("{0} has a CDB of variable length, which we do not carry")]
    Variable(Opcode),
}

/// The data of a command, as its CDB announces it; in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    None,
    /// From the device; so many octets at most.
    In(u64),
    /// To the device; so many octets.
    Out(u64),
}

/// Opcodes whose blocks come from the device, and those whose blocks go to it.
const READS: [Opcode; 4] = [Opcode::READ_6, Opcode::READ_10, Opcode::READ_12, Opcode::READ_16];
const WRITES: [Opcode; 5] = [Opcode::WRITE_6, Opcode::WRITE_10, Opcode::WRITE_12, Opcode::WRITE_16, Opcode::ORWRITE_16];
/// The same, but the blocks are always on the medium before GOOD: no FUA bit.
const VERIFIED_WRITES: [Opcode; 3] =
    [Opcode::WRITE_AND_VERIFY_10, Opcode::WRITE_AND_VERIFY_12, Opcode::WRITE_AND_VERIFY_16];
const VERIFIES: [Opcode; 3] = [Opcode::VERIFY_10, Opcode::VERIFY_12, Opcode::VERIFY_16];
/// Opcodes that name a range of blocks and transfer none of them.
const RANGES: [Opcode; 4] =
    [Opcode::SYNCHRONIZE_CACHE_10, Opcode::SYNCHRONIZE_CACHE_16, Opcode::PRE_FETCH_10, Opcode::PRE_FETCH_16];
const WRITE_SAMES: [Opcode; 2] = [Opcode::WRITE_SAME_10, Opcode::WRITE_SAME_16];

impl Cdb {
    /// The longest that is carried.
    pub const MAX: usize = 16;

    /// Service actions of SERVICE ACTION IN(16) (SBC-3, table 27).
    pub const READ_CAPACITY_16: u8 = 0x10;
    pub const GET_LBA_STATUS: u8 = 0x12;
    /// Service actions of MAINTENANCE IN (SPC-4, table 29).
    pub const REPORT_TARGET_PORT_GROUPS: u8 = 0x0a;
    pub const REPORT_SUPPORTED_OPERATION_CODES: u8 = 0x0c;
    pub const REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS: u8 = 0x0d;

    /// Exactly the octets of a CDB: as many as its opcode says.
    pub fn new(octets: &[u8]) -> Result<Self, CdbError> {
        let length = octets.len();
        let opcode = match length {
            6 | 10 | 12 | 16 => Opcode(octets[0]),
            _ => return Err(CdbError::Length(length)),
        };
        if opcode.is_variable() {
            return Err(CdbError::Variable(opcode));
        }
        if opcode.cdb_length().is_some_and(|it| it != length) {
            return Err(CdbError::Mismatch { opcode, length });
        }
        let mut all = [0; Self::MAX];
        all[..length].copy_from_slice(octets);
        Ok(Self { octets: all, length: length as u8 })
    }

    /// The CDB at the beginning of a field of sixteen octets, as transports carry it (RFC 7143, 11.3.5; FCP-4, 9.1.2).
    /// What follows it is padding. Vendor specific CDBs are taken whole.
    pub fn from_padded(field: &[u8; Self::MAX]) -> Result<Self, CdbError> {
        let length = Opcode(field[0]).cdb_length().unwrap_or(Self::MAX);
        Self::new(&field[..length])
    }

    /// Padded with zeros, as transports carry it.
    pub fn padded(&self) -> [u8; Self::MAX] {
        self.octets
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    pub fn opcode(&self) -> Opcode {
        Opcode(self.octets[0])
    }

    /// What tells commands with one opcode apart; None where the opcode alone says it.
    pub fn service_action(&self) -> Option<u8> {
        self.opcode().has_service_action().then_some(self.octets[1] & 0x1f)
    }

    /// The last octet (SAM-5, clause 5.2).
    pub fn control(&self) -> u8 {
        self.octets[usize::from(self.length) - 1]
    }

    /// The first logical block that the command is about; None: it is about no block.
    pub fn lba(&self) -> Option<u64> {
        Some(match self.opcode() {
            Opcode::READ_6 | Opcode::WRITE_6 => self.field(1, 3) & 0x1f_ffff,
            Opcode::SERVICE_ACTION_IN_16 if self.octets[1] & 0x1f == Self::GET_LBA_STATUS => self.field(2, 8),
            _ if !self.names_blocks() => return None,
            _ if self.length == 16 => self.field(2, 8),
            _ => self.field(2, 4),
        })
    }

    /// How many logical blocks the command is about (0 in READ(6) and WRITE(6) means 256); None: it names no number.
    /// For SYNCHRONIZE CACHE, PRE-FETCH and WRITE SAME, 0 may mean "to the last one": their clauses say so.
    pub fn transfer_length(&self) -> Option<u32> {
        Some(match (self.opcode(), self.length) {
            (Opcode::READ_6 | Opcode::WRITE_6, _) => match self.octets[4] {
                0 => 256,
                blocks => u32::from(blocks),
            },
            (Opcode::COMPARE_AND_WRITE, _) => u32::from(self.octets[13]),
            _ if !self.names_blocks() => return None,
            (_, 16) => self.field(10, 4) as u32,
            (_, 12) => self.field(6, 4) as u32,
            _ => self.field(7, 2) as u32,
        })
    }

    /// The room that the initiator has for the answer of a command that reports something, in octets (SPC-4, 4.3.5.6).
    pub fn allocation_length(&self) -> Option<u32> {
        Some(match self.opcode() {
            Opcode::INQUIRY => self.field(3, 2),
            Opcode::REQUEST_SENSE | Opcode::MODE_SENSE_6 => self.field(4, 1),
            Opcode::MODE_SENSE_10 | Opcode::PERSISTENT_RESERVE_IN | Opcode::LOG_SENSE => self.field(7, 2),
            Opcode::REPORT_LUNS | Opcode::MAINTENANCE_IN => self.field(6, 4),
            Opcode::SERVICE_ACTION_IN_16 => self.field(10, 4),
            _ => return None,
        } as u32)
    }

    /// The length of the parameters that follow the CDB, in octets (SPC-4, 4.3.5.5).
    pub fn parameter_list_length(&self) -> Option<u32> {
        Some(match self.opcode() {
            Opcode::MODE_SELECT_6 => self.field(4, 1),
            Opcode::MODE_SELECT_10 | Opcode::UNMAP => self.field(7, 2),
            Opcode::PERSISTENT_RESERVE_OUT => self.field(5, 4),
            _ => return None,
        } as u32)
    }

    /// The data that goes with this CDB, on a device with blocks of so many octets; without protection information
    /// (RDPROTECT, WRPROTECT, VRPROTECT). None: a command that we do not know.
    pub fn transfer(&self, block_length: u32) -> Option<Transfer> {
        let opcode = self.opcode();
        let block = u64::from(block_length);
        let blocks = u64::from(self.transfer_length().unwrap_or(0)) * block;
        if let Some(length) = self.allocation_length() {
            return Some(Transfer::In(length.into()));
        }
        if let Some(length) = self.parameter_list_length() {
            return Some(Transfer::Out(length.into()));
        }
        Some(match opcode {
            _ if READS.contains(&opcode) => Transfer::In(blocks),
            _ if WRITES.contains(&opcode) || VERIFIED_WRITES.contains(&opcode) => Transfer::Out(blocks),
            _ if RANGES.contains(&opcode) => Transfer::None,
            _ if VERIFIES.contains(&opcode) => self.verify_transfer(block),
            Opcode::COMPARE_AND_WRITE => Transfer::Out(2 * blocks),
            Opcode::WRITE_SAME_16 if self.octets[1] & 1 != 0 => Transfer::None,
            Opcode::WRITE_SAME_10 | Opcode::WRITE_SAME_16 => Transfer::Out(block),
            Opcode::READ_CAPACITY_10 => Transfer::In(8),
            Opcode::TEST_UNIT_READY
            | Opcode::START_STOP_UNIT
            | Opcode::PREVENT_ALLOW_MEDIUM_REMOVAL
            | Opcode::RESERVE_6
            | Opcode::RELEASE_6 => Transfer::None,
            _ => return None,
        })
    }

    /// BYTCHK says what VERIFY compares with (SBC-3, table 103): nothing, all blocks, or one block for all.
    fn verify_transfer(&self, block: u64) -> Transfer {
        match self.byte_check() {
            0b01 => Transfer::Out(u64::from(self.transfer_length().unwrap_or(0)) * block),
            0b11 if self.transfer_length() != Some(0) => Transfer::Out(block),
            _ => Transfer::None,
        }
    }

    /// The BYTCHK field of VERIFY and WRITE AND VERIFY (SBC-3, 5.27 and 5.36).
    pub fn byte_check(&self) -> u8 {
        self.octets[1] >> 1 & 0b11
    }

    /// FUA: what is written is on the medium before GOOD, what is read comes from there (SBC-3, 4.15).
    pub fn force_unit_access(&self) -> bool {
        let opcode = self.opcode();
        let has_bit = READS.contains(&opcode) || WRITES.contains(&opcode) || opcode == Opcode::COMPARE_AND_WRITE;
        has_bit && self.length > 6 && self.octets[1] & 0x08 != 0
    }

    /// SBC-3's commands for a range of logical blocks, but for the six-octet ones.
    fn names_blocks(&self) -> bool {
        let opcode = self.opcode();
        let of = |list: &[Opcode]| list.contains(&opcode);
        let moves = of(&READS) || of(&WRITES) || of(&VERIFIED_WRITES) || opcode == Opcode::COMPARE_AND_WRITE;
        self.length > 6 && (moves || of(&VERIFIES) || of(&RANGES) || of(&WRITE_SAMES))
    }

    /// The number in `length` octets from `offset` on.
    fn field(&self, offset: usize, length: usize) -> u64 {
        number(&self.octets[offset..offset + length])
    }
}

impl fmt::Debug for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The command's name, then its octets.
impl fmt::Display for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", self.opcode())?;
        for (index, octet) in self.octets().iter().enumerate() {
            write!(f, "{}{octet:02x}", if index == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}
