//! Where each record is.
//!
//! ```text
//!   c          the last committed log id that was saved
//!   i          the identity
//!   l<index>   a log entry; the index in eight bytes, big endian, so that keys are in the log's order
//!   p          the last purged log id
//!   v          the vote
//! ```

use super::disk::RESERVED_KEYS;

pub const COMMITTED: &[u8] = b"c";
pub const IDENTITY: &[u8] = b"i";
pub const PURGED: &[u8] = b"p";
pub const VOTE: &[u8] = b"v";
/// Above every key.
pub const END: &[u8] = &[RESERVED_KEYS];

const LOG: u8 = b'l';

pub fn log(index: u64) -> Vec<u8> {
    [&[LOG][..], &index.to_be_bytes()].concat()
}

/// Above every log entry's key.
pub const LOG_END: &[u8] = &[LOG + 1];

/// The index in a log entry's key.
pub fn log_index(key: &[u8]) -> Option<u64> {
    key.strip_prefix(&[LOG])?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_keys_are_in_the_order_of_the_log() {
        for (low, high) in [(0, 1), (255, 256), (u64::MAX - 1, u64::MAX)] {
            assert!(log(low) < log(high));
            assert!(&log(high)[..] < LOG_END);
            assert_eq!(log_index(&log(high)), Some(high));
        }
        assert_eq!(log_index(b"log"), None);
        assert_eq!(log_index(VOTE), None);
    }
}
