//! How a value is framed on the disk, so that damage is noticed whatever the disk below says.
//!
//! ```text
//!   version 1 │ length 4 │ crc32 4 │ payload …        (little endian)
//! ```
//!
//! The CRC covers the version, the length, the *place* (the key or the file name) and the payload: a whole record in
//! the wrong place is damage too. The payload is MessagePack with named fields, so that a field that is added later
//! leaves old records readable.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// The newest framing that this program reads and the one that it writes.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 9;
/// Far above the snapshot of the largest cluster; a length above it is refused when written, and damage when read.
pub const MAX_RECORD_BYTES: usize = 512 << 20;

/// Why a record cannot be read; [`unseal`] makes it an error that names the place.
enum Flaw {
    Damage(String),
    NewerVersion(u8),
}

/// Encodes and frames `value`, to be kept at `place`.
pub fn seal<T: Serialize>(what: &'static str, place: &[u8], value: &T) -> Result<Vec<u8>, StoreError> {
    let mut framed = vec![0; HEADER_BYTES];
    rmp_serde::encode::write_named(&mut framed, value).map_err(|source| StoreError::Encode { what, source })?;
    let length = framed.len() - HEADER_BYTES;
    if length > MAX_RECORD_BYTES {
        return Err(StoreError::RecordTooLong { length, limit: MAX_RECORD_BYTES });
    }
    let length_bytes = (length as u32).to_le_bytes();
    let crc = checksum(VERSION, length_bytes, place, &framed[HEADER_BYTES..]);
    framed[0] = VERSION;
    framed[1..5].copy_from_slice(&length_bytes);
    framed[5..9].copy_from_slice(&crc.to_le_bytes());
    Ok(framed)
}

/// Checks and decodes what [`seal`] made for `place`. `path` is only for the error's text.
pub fn unseal<T: DeserializeOwned>(what: &str, place: &[u8], framed: &[u8], path: &Path) -> Result<T, StoreError> {
    open(place, framed).map_err(|flaw| match flaw {
        Flaw::Damage(flaw) => StoreError::Damaged { what: format!("{what}: {flaw}"), path: path.to_owned() },
        Flaw::NewerVersion(found) => StoreError::NewerFormat { path: path.to_owned(), found, known: VERSION },
    })
}

fn open<T: DeserializeOwned>(place: &[u8], framed: &[u8]) -> Result<T, Flaw> {
    let Some((header, payload)) = framed.split_at_checked(HEADER_BYTES) else {
        return Err(Flaw::Damage(format!("{} bytes are too few for a record", framed.len())));
    };
    let version = header[0];
    let length_bytes: [u8; 4] = header[1..5].try_into().expect("four of nine bytes");
    let crc = u32::from_le_bytes(header[5..9].try_into().expect("four of nine bytes"));
    let length = u32::from_le_bytes(length_bytes) as usize;
    if length != payload.len() {
        return Err(Flaw::Damage(format!("it says {length} bytes and has {}", payload.len())));
    }
    if checksum(version, length_bytes, place, payload) != crc {
        return Err(Flaw::Damage("its checksum does not match".to_owned()));
    }
    if version > VERSION {
        return Err(Flaw::NewerVersion(version));
    }
    rmp_serde::from_slice(payload).map_err(|error| Flaw::Damage(format!("it cannot be decoded: {error}")))
}

fn checksum(version: u8, length: [u8; 4], place: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(&length);
    hasher.update(place);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn unseal_text(place: &[u8], framed: &[u8]) -> Result<String, StoreError> {
        unseal("the text", place, framed, Path::new("/here"))
    }

    proptest! {
        #[test]
        fn what_was_sealed_comes_back(text in ".{0,200}") {
            let framed = seal("text", b"k", &text).unwrap();
            prop_assert_eq!(unseal_text(b"k", &framed).unwrap(), text);
        }

        #[test]
        fn one_flipped_bit_anywhere_is_noticed(text in ".{0,60}", at: prop::sample::Index, bit in 0..8u32) {
            let mut framed = seal("text", b"k", &text).unwrap();
            let at = at.index(framed.len());
            framed[at] ^= 1u8 << bit;
            prop_assert!(unseal_text(b"k", &framed).is_err());
        }

        #[test]
        fn a_record_cut_short_is_noticed(text in ".{0,60}", at: prop::sample::Index) {
            let framed = seal("text", b"k", &text).unwrap();
            prop_assert!(unseal_text(b"k", &framed[..at.index(framed.len())]).is_err());
        }

        #[test]
        fn random_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(unseal_text(b"k", &bytes).is_err());
        }
    }

    #[test]
    fn a_record_in_another_place_is_damage() {
        let framed = seal("text", b"here", &"x").unwrap();
        let error = unseal_text(b"there", &framed).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
        assert!(error.contains("join again under a new id"), "{error}");
    }

    #[test]
    fn an_added_field_leaves_old_records_readable() {
        #[derive(Serialize)]
        struct Old {
            a: u32,
        }
        #[derive(Deserialize, Debug, PartialEq)]
        struct New {
            a: u32,
            #[serde(default)]
            b: Option<u32>,
        }
        let framed = seal("old", b"k", &Old { a: 7 }).unwrap();
        let new: New = unseal("old", b"k", &framed, Path::new("/here")).unwrap();
        assert_eq!(new, New { a: 7, b: None });
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut framed = seal("text", b"k", &"x").unwrap();
        framed[0] = VERSION + 1;
        let length: [u8; 4] = framed[1..5].try_into().unwrap();
        let crc = checksum(VERSION + 1, length, b"k", &framed[HEADER_BYTES..]);
        framed[5..9].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(unseal_text(b"k", &framed), Err(StoreError::NewerFormat { found: 2, known: 1, .. })));
    }
}
