use std::fmt;

use super::{SenseCode, number};

/// Sense data: why a command ended in CHECK CONDITION (SPC-4, clause 4.5). Reads and writes both forms; of descriptors and
/// octets that are vendor specific it keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// It is about an earlier command than the one it came with (SPC-4, 4.5.5).
    pub deferred: bool,
    pub key: SenseKey,
    pub code: SenseCode,
    /// Mostly the LBA or the offset at which it happened.
    pub information: Option<u64>,
    /// What the command's own clause puts there.
    pub command_specific: Option<u64>,
    /// The three octets whose meaning the sense key gives: SENSE KEY SPECIFIC (SPC-4, 4.5.2.4), SKSV included.
    pub key_specific: Option<[u8; 3]>,
}

/// SPC-4, table 27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SenseKey {
    NoSense = 0x0,
    RecoveredError = 0x1,
    NotReady = 0x2,
    MediumError = 0x3,
    HardwareError = 0x4,
    IllegalRequest = 0x5,
    UnitAttention = 0x6,
    DataProtect = 0x7,
    BlankCheck = 0x8,
    VendorSpecific = 0x9,
    CopyAborted = 0xa,
    AbortedCommand = 0xb,
    Reserved = 0xc,
    VolumeOverflow = 0xd,
    Miscompare = 0xe,
    Completed = 0xf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenseError {
    #[error("sense data cut short, after {0} octets")]
    CutShort(usize),
    #[error("{0:#04x} is no response code of sense data")]
    ResponseCode(u8),
}

const FIXED: u8 = 0x70;
const DESCRIPTORS: u8 = 0x72;
/// Added to either response code.
const DEFERRED: u8 = 0x01;
const VALID: u8 = 0x80;

/// Octets of fixed form that we write: as far as SENSE KEY SPECIFIC (SPC-4, table 53).
const FIXED_LENGTH: usize = 18;

/// Types of descriptors, and how many octets follow their first two (SPC-4, tables 30 to 33).
const INFORMATION: (u8, u8) = (0x00, 0x0a);
const COMMAND_SPECIFIC: (u8, u8) = (0x01, 0x0a);
const KEY_SPECIFIC: (u8, u8) = (0x02, 0x06);

impl Sense {
    pub const fn new(key: SenseKey, code: SenseCode) -> Self {
        Self { deferred: false, key, code, information: None, command_specific: None, key_specific: None }
    }

    pub const fn illegal_request(code: SenseCode) -> Self {
        Self::new(SenseKey::IllegalRequest, code)
    }

    pub const fn unit_attention(code: SenseCode) -> Self {
        Self::new(SenseKey::UnitAttention, code)
    }

    /// ILLEGAL REQUEST that points at the octet, and the highest bit in it, that is wrong: of the CDB, or of the
    /// parameters (SPC-4, 4.5.2.4.2).
    pub fn invalid_field(code: SenseCode, octet: usize, bit: Option<u8>) -> Self {
        let in_cdb = if code == SenseCode::INVALID_FIELD_IN_CDB { 0x40 } else { 0 };
        let bit = bit.map_or(0, |bit| 0x08 | bit & 0x07);
        let [high, low] = u16::try_from(octet).unwrap_or(u16::MAX).to_be_bytes();
        Self { key_specific: Some([VALID | in_cdb | bit, high, low]), ..Self::illegal_request(code) }
    }

    pub fn with_information(self, information: u64) -> Self {
        Self { information: Some(information), ..self }
    }

    /// Fixed form, 18 octets (SPC-4, 4.5.3). INFORMATION and COMMAND-SPECIFIC above 32 bits have no room there and are
    /// left out, as the clause wants it.
    pub fn to_fixed(&self) -> [u8; FIXED_LENGTH] {
        let mut octets = [0; FIXED_LENGTH];
        octets[0] = FIXED | u8::from(self.deferred);
        octets[2] = self.key as u8;
        octets[7] = (FIXED_LENGTH - 8) as u8;
        octets[12] = self.code.asc;
        octets[13] = self.code.ascq;
        if let Some(information) = self.information.and_then(|it| u32::try_from(it).ok()) {
            octets[0] |= VALID;
            octets[3..7].copy_from_slice(&information.to_be_bytes());
        }
        if let Some(specific) = self.command_specific.and_then(|it| u32::try_from(it).ok()) {
            octets[8..12].copy_from_slice(&specific.to_be_bytes());
        }
        octets[15..18].copy_from_slice(&self.key_specific.unwrap_or_default());
        octets
    }

    /// Descriptor form, up to 40 octets (SPC-4, 4.5.2).
    pub fn to_descriptors(&self) -> Vec<u8> {
        let mut octets = vec![DESCRIPTORS | u8::from(self.deferred), self.key as u8, self.code.asc, self.code.ascq];
        octets.extend([0; 4]);
        let mut add = |(kind, length): (u8, u8), head: &[u8], content: &[u8]| {
            octets.extend([kind, length]);
            octets.extend(head);
            octets.extend(content);
        };
        if let Some(information) = self.information {
            add(INFORMATION, &[VALID, 0], &information.to_be_bytes());
        }
        if let Some(specific) = self.command_specific {
            add(COMMAND_SPECIFIC, &[0, 0], &specific.to_be_bytes());
        }
        if let Some([first, second, third]) = self.key_specific {
            add(KEY_SPECIFIC, &[0, 0], &[first, second, third, 0]);
        }
        octets[7] = (octets.len() - 8) as u8;
        octets
    }

    /// Either form. What an initiator's buffer cut off counts as absent.
    pub fn parse(octets: &[u8]) -> Result<Self, SenseError> {
        let &[first, ..] = octets else { return Err(SenseError::CutShort(0)) };
        let code = first & !VALID;
        match code & !DEFERRED {
            FIXED => Self::parse_fixed(octets),
            DESCRIPTORS => Self::parse_descriptors(octets),
            _ => Err(SenseError::ResponseCode(code)),
        }
    }

    fn parse_fixed(octets: &[u8]) -> Result<Self, SenseError> {
        let &[first, _, key, ..] = octets else { return Err(SenseError::CutShort(octets.len())) };
        let end = octets.get(7).map_or(octets.len(), |&more| octets.len().min(8 + usize::from(more)));
        let octets = &octets[..end];
        let octet = |index: usize| octets.get(index).copied().unwrap_or(0);
        let field = |from: usize, to: usize| octets.get(from..to);
        Ok(Self {
            deferred: first & DEFERRED != 0,
            key: SenseKey::from_bits(key),
            code: SenseCode { asc: octet(12), ascq: octet(13) },
            information: field(3, 7).filter(|_| first & VALID != 0).map(number),
            command_specific: field(8, 12).map(number).filter(|&it| it != 0),
            key_specific: field(15, 18).and_then(valid_key_specific),
        })
    }

    fn parse_descriptors(octets: &[u8]) -> Result<Self, SenseError> {
        let &[first, key, asc, ascq, ..] = octets else { return Err(SenseError::CutShort(octets.len())) };
        let code = SenseCode { asc, ascq };
        let mut sense = Self { deferred: first & DEFERRED != 0, ..Self::new(SenseKey::from_bits(key), code) };
        let end = octets.get(7).map_or(0, |&more| octets.len().min(8 + usize::from(more)));
        let mut rest = octets.get(8..end).unwrap_or_default();
        while let [kind, length, following @ ..] = rest {
            let Some((content, others)) = following.split_at_checked(usize::from(*length)) else { break };
            sense.take_descriptor((*kind, *length), content);
            rest = others;
        }
        Ok(sense)
    }

    /// One whose length is not its type's says nothing that can be trusted.
    fn take_descriptor(&mut self, descriptor: (u8, u8), content: &[u8]) {
        match descriptor {
            INFORMATION if content[0] & VALID != 0 => self.information = Some(number(&content[2..10])),
            COMMAND_SPECIFIC => self.command_specific = Some(number(&content[2..10])),
            KEY_SPECIFIC => self.key_specific = valid_key_specific(&content[2..5]),
            _ => {}
        }
    }
}

/// They count only with the bit SKSV.
fn valid_key_specific(octets: &[u8]) -> Option<[u8; 3]> {
    octets.try_into().ok().filter(|it: &[u8; 3]| it[0] & VALID != 0)
}

impl SenseKey {
    const ALL: [Self; 16] = [
        Self::NoSense,
        Self::RecoveredError,
        Self::NotReady,
        Self::MediumError,
        Self::HardwareError,
        Self::IllegalRequest,
        Self::UnitAttention,
        Self::DataProtect,
        Self::BlankCheck,
        Self::VendorSpecific,
        Self::CopyAborted,
        Self::AbortedCommand,
        Self::Reserved,
        Self::VolumeOverflow,
        Self::Miscompare,
        Self::Completed,
    ];

    /// Of the four lowest bits.
    pub fn from_bits(octet: u8) -> Self {
        Self::ALL[usize::from(octet & 0x0f)]
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::NoSense => "NO SENSE",
            Self::RecoveredError => "RECOVERED ERROR",
            Self::NotReady => "NOT READY",
            Self::MediumError => "MEDIUM ERROR",
            Self::HardwareError => "HARDWARE ERROR",
            Self::IllegalRequest => "ILLEGAL REQUEST",
            Self::UnitAttention => "UNIT ATTENTION",
            Self::DataProtect => "DATA PROTECT",
            Self::BlankCheck => "BLANK CHECK",
            Self::VendorSpecific => "VENDOR SPECIFIC",
            Self::CopyAborted => "COPY ABORTED",
            Self::AbortedCommand => "ABORTED COMMAND",
            Self::Reserved => "RESERVED",
            Self::VolumeOverflow => "VOLUME OVERFLOW",
            Self::Miscompare => "MISCOMPARE",
            Self::Completed => "COMPLETED",
        }
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key.name(), self.code)
    }
}
