use super::fields::{Reader, at_most};
use super::{CommandError, CommandNumber, MAX_CDB, MAX_DATA, MAX_SENSE};

/// A SCSI command. Its Data-Out buffer is the message's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    pub number: CommandNumber,
    /// SAM-5, clause 4.7.
    pub lun: [u8; 8],
    /// The CDB, padded with zeros, and how long it is (SPC-4, 4.3).
    pub cdb: [u8; MAX_CDB],
    pub cdb_length: u8,
    pub attribute: Attribute,
    /// Octets of the Data-In buffer: the most that the agent takes in return.
    pub data_in_length: u32,
    /// Octets of the Data-Out buffer: as long as the message's data.
    pub data_out_length: u32,
}

/// SAM-5, clause 8.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Simple = 0,
    Ordered = 1,
    HeadOfQueue = 2,
    Aca = 3,
}

/// How a command ended. What came from the device is the message's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub number: CommandNumber,
    /// SAM-5, table 42.
    pub status: u8,
    pub residual: Residual,
    /// Sense data as the SAN gave it, either form (SPC-4, 4.5); empty: none.
    pub sense: Vec<u8>,
    /// Octets of the message's data.
    pub data_in_length: u32,
}

/// How much less or more than expected was transferred, in octets (RFC 7143, 11.4.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    Exact,
    Underflow(u32),
    Overflow(u32),
}

impl Attribute {
    const ALL: [Self; 4] = [Self::Simple, Self::Ordered, Self::HeadOfQueue, Self::Aca];

    fn from_wire(octet: u8) -> Result<Self, CommandError> {
        let known = Self::ALL.into_iter().find(|it| *it as u8 == octet);
        known.ok_or(CommandError::Unknown { field: "the task attribute", value: octet.into() })
    }
}

impl Command {
    /// What it takes of the credit in octets.
    pub fn cost(&self) -> u64 {
        u64::from(self.data_in_length) + u64::from(self.data_out_length)
    }

    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Self { number, lun, cdb, cdb_length, attribute, data_in_length, data_out_length: _ } = self;
        into.extend(number.0.to_be_bytes());
        into.extend(lun);
        into.extend(cdb);
        into.extend([*attribute as u8, *cdb_length, 0, 0]);
        into.extend(data_in_length.to_be_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>, data_length: usize) -> Result<Self, CommandError> {
        let number = CommandNumber::parse(fields, "the command's number")?;
        let (lun, cdb) = (fields.array("the LUN")?, fields.array("the CDB")?);
        let attribute = Attribute::from_wire(fields.u8("the task attribute")?)?;
        let cdb_length = fields.u8("the CDB's length")?;
        if !matches!(cdb_length, 6 | 10 | 12 | 16) {
            return Err(CommandError::Unknown { field: "the CDB's length", value: cdb_length.into() });
        }
        fields.skip(2)?;
        let field = "the expected data-in length";
        let data_in_length = at_most(field, fields.u32(field)?.into(), MAX_DATA.into())? as u32;
        let data_out_length = data_length as u32;
        Ok(Self { number, lun, cdb, cdb_length, attribute, data_in_length, data_out_length })
    }
}

impl Answer {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Self { number, status, residual, sense, data_in_length: _ } = self;
        let (kind, octets) = match *residual {
            Residual::Exact => (0, 0),
            Residual::Underflow(octets) => (1, octets),
            Residual::Overflow(octets) => (2, octets),
        };
        into.extend(number.0.to_be_bytes());
        into.extend(octets.to_be_bytes());
        into.extend([kind, *status, sense.len() as u8, 0]);
        into.extend(sense);
    }

    pub(super) fn parse(fields: &mut Reader<'_>, data_length: usize) -> Result<Self, CommandError> {
        let number = CommandNumber::parse(fields, "the answer's number")?;
        let octets = fields.u32("the residual")?;
        let residual = match (fields.u8("the residual's kind")?, octets) {
            (0, 0) => Residual::Exact,
            (1, octets) => Residual::Underflow(octets),
            (2, octets) => Residual::Overflow(octets),
            (0, octets) => return Err(CommandError::Unknown { field: "an exact residual", value: octets.into() }),
            (kind, _) => return Err(CommandError::Unknown { field: "the residual's kind", value: kind.into() }),
        };
        let status = fields.u8("the status")?;
        let length = at_most("the sense's length", fields.u8("the sense's length")?.into(), MAX_SENSE as u64)?;
        fields.skip(1)?;
        let sense = fields.octets("the sense", length as usize)?.to_vec();
        Ok(Self { number, status, residual, sense, data_in_length: data_length as u32 })
    }
}
