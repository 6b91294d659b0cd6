use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A unicast EUI-48 MAC address (IEEE 802, clause 8.2): six octets, the group bit clear, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

/// A Fibre Channel world-wide name of NAA format 1, 2 or 5 (FC-FS-3, clause 14): 64 bits, not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wwn(u64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("{0:?} is no MAC address; write six hex octets, as 02:00:5e:10:00:01")]
    MacSyntax(String),
    #[error("{0} has the group (multicast) bit set; an adapter needs a unicast address")]
    MacMulticast(String),
    #[error("00:00:00:00:00:00 is no usable MAC address")]
    MacZero,
    #[error("{0:?} is no world-wide name; write sixteen hex digits, as 50:01:43:80:00:00:00:01")]
    WwnSyntax(String),
    #[error("{0} has NAA {1:x}; a world-wide name starts with NAA 1, 2 or 5")]
    WwnNaa(String, u8),
}

impl MacAddress {
    pub fn new(octets: [u8; 6]) -> Result<Self, IdentityError> {
        if octets == [0; 6] {
            return Err(IdentityError::MacZero);
        }
        if octets[0] & 1 != 0 {
            return Err(IdentityError::MacMulticast(colons(&octets)));
        }
        Ok(Self(octets))
    }

    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The address as a number, for ranges.
    pub fn to_u64(self) -> u64 {
        self.0.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
    }

    pub fn from_u64(number: u64) -> Result<Self, IdentityError> {
        let [0, 0, octets @ ..] = number.to_be_bytes() else {
            return Err(IdentityError::MacSyntax(format!("{number:x}")));
        };
        Self::new(octets)
    }
}

impl Wwn {
    pub fn new(number: u64) -> Result<Self, IdentityError> {
        let naa = (number >> 60) as u8;
        match naa {
            1 | 2 | 5 => Ok(Self(number)),
            _ => Err(IdentityError::WwnNaa(colons(&number.to_be_bytes()), naa)),
        }
    }

    pub fn to_u64(self) -> u64 {
        self.0
    }
}

fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// Reads `N` hex octets, with one kind of separator (`:` or `-`) between all of them, or none at all.
fn parse_octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-'));
    let digits: String = match separator {
        Some(separator) => {
            let parts: Vec<&str> = text.split(separator).collect();
            if parts.len() != N || parts.iter().any(|part| part.len() != 2) {
                return None;
            }
            parts.concat()
        }
        None => text.to_owned(),
    };
    if digits.len() != 2 * N || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut octets = [0; N];
    for (i, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(octets)
}

impl FromStr for MacAddress {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let octets = parse_octets(text).ok_or_else(|| IdentityError::MacSyntax(text.to_owned()))?;
        Self::new(octets)
    }
}

impl FromStr for Wwn {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let octets = parse_octets(text).ok_or_else(|| IdentityError::WwnSyntax(text.to_owned()))?;
        Self::new(u64::from_be_bytes(octets))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&colons(&self.0))
    }
}

impl fmt::Display for Wwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&colons(&self.0.to_be_bytes()))
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdentityError;
            fn try_from(text: String) -> Result<Self, IdentityError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

text_conversions!(MacAddress);
text_conversions!(Wwn);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn macs_that_no_adapter_may_have_are_refused() {
        for (text, error) in [
            ("00:00:00:00:00:00", IdentityError::MacZero),
            ("01:00:5e:00:00:01", IdentityError::MacMulticast("01:00:5e:00:00:01".into())),
            ("ff:ff:ff:ff:ff:ff", IdentityError::MacMulticast("ff:ff:ff:ff:ff:ff".into())),
            ("02:00:00:00:00", IdentityError::MacSyntax("02:00:00:00:00".into())),
            ("02:00-00:00:00:01", IdentityError::MacSyntax("02:00-00:00:00:01".into())),
            ("0200:00:00:00:001", IdentityError::MacSyntax("0200:00:00:00:001".into())),
            ("+2:00:00:00:00:01", IdentityError::MacSyntax("+2:00:00:00:00:01".into())),
            ("", IdentityError::MacSyntax("".into())),
        ] {
            assert_eq!(text.parse::<MacAddress>(), Err(error));
        }
    }

    #[test]
    fn world_wide_names_keep_their_naa() {
        assert_eq!("5001438000000001".parse::<Wwn>().unwrap().to_string(), "50:01:43:80:00:00:00:01");
        assert!(matches!("60:01:43:80:00:00:00:01".parse::<Wwn>(), Err(IdentityError::WwnNaa(_, 6))));
        assert!(matches!("50:01".parse::<Wwn>(), Err(IdentityError::WwnSyntax(_))));
    }

    proptest! {
        #[test]
        fn text_and_number_come_back(number in 0u64..1 << 48) {
            if let Ok(mac) = MacAddress::from_u64(number) {
                prop_assert_eq!(mac.to_string().parse::<MacAddress>().unwrap(), mac);
                prop_assert_eq!(mac.to_u64(), number);
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<MacAddress>();
            let _ = text.parse::<Wwn>();
        }
    }
}
