//! CRC32C as iSCSI uses it (RFC 7143, 13.1): over the header with its AHS, and over the data with its padding.

/// The octets of a digest on the wire.
pub const DIGEST_LENGTH: usize = 4;

/// The digest of what was counted before and these octets after it; start with 0.
pub fn append(counted: u32, octets: &[u8]) -> u32 {
    crc32c::crc32c_append(counted, octets)
}

/// As it travels.
pub fn to_wire(digest: u32) -> [u8; DIGEST_LENGTH] {
    digest.to_le_bytes()
}

pub fn from_wire(octets: [u8; DIGEST_LENGTH]) -> u32 {
    u32::from_le_bytes(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7143, appendix A.4.
    #[test]
    fn the_examples_of_the_standard() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        let read_10: [u8; 48] = std::array::from_fn(|at| match at {
            0 => 0x01,
            1 => 0xc0,
            16 => 0x14,
            22 => 0x04,
            27 => 0x14,
            31 => 0x18,
            32 => 0x28,
            40 => 0x02,
            _ => 0,
        });
        let examples: [(&[u8], [u8; 4]); 5] = [
            (&[0; 32], [0xaa, 0x36, 0x91, 0x8a]),
            (&[0xff; 32], [0x43, 0xab, 0xa8, 0x62]),
            (&rising, [0x4e, 0x79, 0xdd, 0x46]),
            (&falling, [0x5c, 0xdb, 0x3f, 0x11]),
            (&read_10, [0x56, 0x3a, 0x96, 0xd9]),
        ];
        for (octets, digest) in examples {
            assert_eq!(to_wire(append(0, octets)), digest);
            let (head, tail) = octets.split_at(13);
            assert_eq!(append(append(0, head), tail), from_wire(digest), "in pieces");
        }
    }
}
