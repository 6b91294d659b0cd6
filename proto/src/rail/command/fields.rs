//! Fields of a body, one after the other, big-endian.

use super::CommandError;

/// Takes fields from the front of a body.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub fn octets(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], CommandError> {
        let cut = CommandError::CutShort { field, needs: length, has: self.rest.len() };
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CommandError> {
        let mut array = [0; N];
        array.copy_from_slice(self.octets(field, N)?);
        Ok(array)
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, CommandError> {
        self.array::<1>(field).map(|[octet]| octet)
    }

    pub fn u16(&mut self, field: &'static str) -> Result<u16, CommandError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub fn u32(&mut self, field: &'static str) -> Result<u32, CommandError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub fn u64(&mut self, field: &'static str) -> Result<u64, CommandError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// Octets that have no meaning in this version.
    pub fn skip(&mut self, length: usize) -> Result<(), CommandError> {
        self.octets("reserved octets", length).map(drop)
    }

    /// A body ends with its last field.
    pub fn end(self, field: &'static str, whole: usize) -> Result<(), CommandError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(CommandError::LyingLength { field, says: whole, has: whole - more }),
        }
    }
}

/// The number in `field`, if the limit allows it.
pub(super) fn at_most(field: &'static str, says: u64, most: u64) -> Result<u64, CommandError> {
    if says > most { Err(CommandError::TooLarge { field, says, most }) } else { Ok(says) }
}

/// The number in `field`, if it is large enough.
pub(super) fn at_least(field: &'static str, says: u64, least: u64) -> Result<u64, CommandError> {
    if says < least { Err(CommandError::TooSmall { field, says, least }) } else { Ok(says) }
}
