use std::fmt;
use std::str::FromStr;

use super::number;

/// The number of a logical unit in its eight-octet form (SAM-5, clause 4.7).
///
/// As text: the plain number (`0` to `16383`) where it is written as [`Lun::new`] writes it, else the sixteen hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lun([u8; 8]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LunError {
    #[error("{0} is no logical unit number; the largest is 16383")]
    TooLarge(u16),
    #[error("{0:?} is no logical unit number; write 0 to 16383, or sixteen hex digits")]
    Syntax(String),
}

/// The two address methods for a plain number: the two highest bits of the first octet (SAM-5, tables 13 and 14).
const PERIPHERAL: u8 = 0b00;
const FLAT: u8 = 0b01;

/// The longest plain number in text has so many digits; what is longer is hex.
const HEX_DIGITS: usize = 16;

impl Lun {
    pub const ZERO: Self = Self([0; 8]);
    /// REPORT LUNS, the well-known logical unit (SPC-4, clause 8.2).
    pub const REPORT_LUNS: Self = Self([0xc1, 0x01, 0, 0, 0, 0, 0, 0]);
    /// The largest plain number: flat space addressing has 14 bits.
    pub const MAX: u16 = 0x3fff;

    /// A plain number in the form that most initiators use: up to 255 by peripheral addressing on bus 0 (SAM-5, 4.7.7.2),
    /// above that in flat space (4.7.7.3).
    pub fn new(number: u16) -> Result<Self, LunError> {
        match number {
            0..=0xff => Ok(Self([0, number as u8, 0, 0, 0, 0, 0, 0])),
            0x100..=Self::MAX => Ok(Self::flat(number)),
            _ => Err(LunError::TooLarge(number)),
        }
    }

    fn flat(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        Self([FLAT << 6 | high, low, 0, 0, 0, 0, 0, 0])
    }

    /// As it stands in a frame, a CDB or a list. Every eight octets are a LUN, though perhaps nobody's.
    pub fn from_octets(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    pub fn octets(self) -> [u8; 8] {
        self.0
    }

    /// The plain number of a single-level LUN in peripheral (bus 0) or flat addressing; None: of another form.
    pub fn number(self) -> Option<u16> {
        let [first, second, rest @ ..] = self.0;
        if rest != [0; 6] {
            return None;
        }
        match first >> 6 {
            PERIPHERAL if first == 0 => Some(u16::from(second)),
            FLAT => Some(u16::from_be_bytes([first & 0x3f, second])),
            _ => None,
        }
    }

    fn is_canonical(self) -> bool {
        self.number().is_some_and(|number| Self::new(number) == Ok(self))
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number().filter(|_| self.is_canonical()) {
            Some(number) => f.pad(&number.to_string()),
            None => f.pad(&format!("{:016x}", number(&self.0))),
        }
    }
}

impl fmt::Debug for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Lun {
    type Err = LunError;

    fn from_str(text: &str) -> Result<Self, LunError> {
        let syntax = || LunError::Syntax(text.to_owned());
        if text.len() == HEX_DIGITS && text.bytes().all(|it| it.is_ascii_hexdigit()) {
            let number = u64::from_str_radix(text, 16).map_err(|_| syntax())?;
            return Ok(Self(number.to_be_bytes()));
        }
        if text.is_empty() || !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(syntax());
        }
        Self::new(text.parse().map_err(|_| syntax())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_standard() {
        for (text, octets, number) in [
            ("0", [0, 0, 0, 0, 0, 0, 0, 0], Some(0)),
            ("5", [0, 5, 0, 0, 0, 0, 0, 0], Some(5)),
            ("255", [0, 0xff, 0, 0, 0, 0, 0, 0], Some(255)),
            ("256", [0x41, 0, 0, 0, 0, 0, 0, 0], Some(256)),
            ("16383", [0x7f, 0xff, 0, 0, 0, 0, 0, 0], Some(16383)),
            // Flat addressing of a small number; bus 1; a second level; a well-known unit.
            ("4005000000000000", [0x40, 5, 0, 0, 0, 0, 0, 0], Some(5)),
            ("0105000000000000", [1, 5, 0, 0, 0, 0, 0, 0], None),
            ("0005000100000000", [0, 5, 0, 1, 0, 0, 0, 0], None),
            ("c101000000000000", [0xc1, 1, 0, 0, 0, 0, 0, 0], None),
        ] {
            let lun = Lun::from_octets(octets);
            assert_eq!((lun.to_string().as_str(), lun.number()), (text, number));
            assert_eq!(text.parse(), Ok(lun));
        }
    }

    #[test]
    fn what_is_no_lun_is_refused() {
        assert_eq!(Lun::new(16384), Err(LunError::TooLarge(16384)));
        assert_eq!("16384".parse::<Lun>(), Err(LunError::TooLarge(16384)));
        for text in ["", "-1", "+1", "1.0", "65536", "0x05", "40050000000000000", "c1010000000000zz"] {
            assert_eq!(text.parse::<Lun>(), Err(LunError::Syntax(text.into())), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_and_octets_come_back(octets: [u8; 8], plain in 0..=Lun::MAX) {
            let lun = Lun::from_octets(octets);
            prop_assert_eq!(lun.to_string().parse(), Ok(lun));
            prop_assert_eq!(lun.octets(), octets);
            let plain_lun = Lun::new(plain).unwrap();
            prop_assert_eq!(plain_lun.number(), Some(plain));
            prop_assert_eq!(plain_lun.to_string(), plain.to_string());
        }
    }
}
