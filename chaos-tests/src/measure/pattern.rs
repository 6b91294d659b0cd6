//! The stream that a TCP transfer carries: consecutive 64-bit numbers, so that any byte lost, doubled or moved shows.

use anyhow::{Result, bail};

/// One block, sent and echoed as a whole.
pub const BLOCK: usize = 16 * 1024;
const WORD: usize = 8;

/// Makes the stream's next blocks.
#[derive(Default)]
pub struct Writer {
    next: u64,
}

impl Writer {
    pub fn fill(&mut self, block: &mut [u8; BLOCK]) {
        for word in block.chunks_exact_mut(WORD) {
            word.copy_from_slice(&self.next.to_be_bytes());
            self.next += 1;
        }
    }
}

/// Checks a stream, piece by piece, however it was cut.
#[derive(Default)]
pub struct Checker {
    position: u64,
}

impl Checker {
    pub fn check(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            let (number, offset) = (self.position / WORD as u64, (self.position % WORD as u64) as usize);
            let expected = number.to_be_bytes()[offset];
            if *byte != expected {
                bail!("byte {} of the stream is {byte:#04x} instead of {expected:#04x}", self.position);
            }
            self.position += 1;
        }
        Ok(())
    }

    pub fn verified(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut writer = Writer::default();
        let mut blocks = [[0; BLOCK]; 3];
        blocks.iter_mut().for_each(|block| writer.fill(block));
        blocks.concat()
    }

    #[test]
    fn the_stream_is_accepted_however_it_is_cut() {
        for size in [1, 7, 4096, BLOCK + 1] {
            let mut checker = Checker::default();
            stream().chunks(size).for_each(|piece| checker.check(piece).unwrap());
            assert_eq!(checker.verified(), 3 * BLOCK as u64);
        }
    }

    #[test]
    fn a_byte_lost_doubled_or_changed_is_found() {
        let good = stream();
        let without = [&good[..9_000], &good[9_001..]].concat();
        let doubled = [&good[..9_000], &good[8_999..]].concat();
        let mut changed = good.clone();
        changed[40_000] ^= 1;
        for bad in [without, doubled, changed] {
            assert!(Checker::default().check(&bad).is_err());
        }
    }
}
