//! The probe: 32 bytes of UDP. Parsed strictly; whatever else comes in is no answer.
//!
//! ```text
//!   0        8          16        24        32
//!   | magic  | prober   | number  | sent at |
//! ```

use super::clock::Nanos;

pub const LENGTH: usize = 32;
const MAGIC: [u8; 8] = *b"twrprobe";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Random per run: answers to an earlier prober on the same port are not ours.
    pub prober: u64,
    pub number: u64,
    pub sent_at: Nanos,
}

impl Probe {
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.prober.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_be_bytes());
        bytes[24..].copy_from_slice(&self.sent_at.to_be_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|index| bytes[at + index]));
        (bytes[..8] == MAGIC).then(|| Self { prober: word(8), number: word(16), sent_at: word(24) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_survives_the_wire_and_nothing_else_is_one() {
        let probe = Probe { prober: 7, number: u64::MAX, sent_at: 1 << 40 };
        let bytes = probe.encode();
        assert_eq!(Probe::decode(&bytes), Some(probe));
        assert_eq!(Probe::decode(&bytes[..31]), None);
        assert_eq!(Probe::decode(&[bytes.as_slice(), &[0]].concat()), None);
        assert_eq!(Probe::decode(&[0; LENGTH]), None);
    }
}
