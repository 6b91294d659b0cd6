//! A short number for a value, the same on every director, to compare their states.

use std::io;

use serde::Serialize;

/// FNV-1a, 64 bits (draft-eastlake-fnv): stable by definition, unlike the standard library's hashers. It finds
/// differences that happen by themselves; it does not resist an attacker.
struct Fnv(u64);

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl io::Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn digest(value: &impl Serialize) -> u64 {
    let mut hasher = Fnv(OFFSET_BASIS);
    rmp_serde::encode::write_named(&mut hasher, value)
        .expect("the state's types encode, and a hasher takes every byte");
    hasher.0
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        for (text, expected) in [("", OFFSET_BASIS), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)] {
            let mut hasher = Fnv(OFFSET_BASIS);
            hasher.write_all(text.as_bytes()).unwrap();
            assert_eq!(hasher.0, expected, "{text}");
        }
    }
}
