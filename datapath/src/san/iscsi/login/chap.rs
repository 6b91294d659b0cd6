//! CHAP with MD5 (RFC 7143, 12.1.3; RFC 1994): each side proves that it knows a secret without sending it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::text::{TextError, bad};

/// RFC 7143, 12.1.3: a challenge or a response has at most 1024 octets.
const LONGEST: usize = 1024;

/// What proves who this initiator is, and, for mutual CHAP, who the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    pub name: String,
    pub secret: Secret,
    /// With these the target must prove itself as well; a target that does not ends the login.
    pub target: Option<TargetProof>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetProof {
    pub name: String,
    pub secret: Secret,
}

/// Octets that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// What this initiator asks the target to prove itself with: random, drawn for each login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub identifier: u8,
    pub octets: [u8; 16],
}

impl Secret {
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// RFC 1994, 4.1: MD5 of identifier, secret and challenge.
    pub(super) fn response(&self, identifier: u8, challenge: &[u8]) -> [u8; 16] {
        Md5::new().chain_update([identifier]).chain_update(&self.0).chain_update(challenge).finalize().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A binary value as hexadecimal (RFC 7143, 6.1).
pub(super) fn to_hex(octets: &[u8]) -> String {
    octets.iter().fold("0x".to_owned(), |text, octet| text + &format!("{octet:02x}"))
}

/// A binary value: hexadecimal after `0x`, base64 after `0b`.
pub(super) fn parse_binary(key: &str, value: &str) -> Result<Vec<u8>, TextError> {
    let octets = match value.get(..2) {
        Some("0x" | "0X") => parse_hex(&value[2..]),
        Some("0b" | "0B") => STANDARD.decode(&value[2..]).ok(),
        _ => None,
    };
    let fits = |it: &Vec<u8>| (1..=LONGEST).contains(&it.len());
    octets.filter(fits).ok_or_else(|| bad(key, value, "binary value of 1 to 1024 octets"))
}

fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = digits.chars().map(|it| it.to_digit(16).map(|it| it as u8)).collect();
    let nibbles = nibbles?;
    // An odd count means that a leading zero was left out.
    let (first, rest) = nibbles.split_at(nibbles.len() % 2);
    let pairs = rest.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    Some(first.iter().copied().chain(pairs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other side of it: `printf '\x01secret-0123456789abc' | md5sum`.
    #[test]
    fn the_response_is_md5_of_identifier_secret_and_challenge() {
        let response = Secret::new("secret-").response(1, b"0123456789abc");
        assert_eq!(to_hex(&response), "0x024ee3ff031336ee42ff7cd6293ea826");
    }

    #[test]
    fn binary_values_in_both_forms() {
        assert_eq!(parse_binary("CHAP_C", "0x0aFF"), Ok(vec![0x0a, 0xff]));
        assert_eq!(parse_binary("CHAP_C", "0xaFF"), Ok(vec![0x0a, 0xff]));
        assert_eq!(parse_binary("CHAP_C", "0bCv8="), Ok(vec![0x0a, 0xff]));
        for wrong in ["", "0x", "0xzz", "10", "0b!", "äö"] {
            assert!(parse_binary("CHAP_C", wrong).is_err(), "{wrong:?}");
        }
        assert!(parse_binary("CHAP_C", &format!("0x{}", "00".repeat(1025))).is_err());
    }

    #[test]
    fn a_secret_is_not_shown() {
        let chap = Chap { name: "me".into(), secret: Secret::new("hush-hush-hush"), target: None };
        assert!(!format!("{chap:?}").contains("hush"));
    }
}
