//! What is in a block: its number and the sequence number of the write that made it, in every sector, so that a block made of
//! two writes shows wherever it was torn.
//!
//! ```text
//!   each sector of 512 octets:  magic 8 | sequence 8 | block 8 | epoch 8 | sector 8 | filler by the sequence … | sequence 8
//! ```

/// Octets of a block: 4 KiB, what file systems use.
pub const BLOCK: usize = 4_096;
const SECTOR: usize = 512;
const MAGIC: u64 = u64::from_be_bytes(*b"twrblock");
const WORD: usize = 8;
/// Five words at the beginning of a sector.
const HEAD: usize = 5 * WORD;
/// Odd, so that sequences that follow each other have different fillers.
const FILLERS: u64 = 0x9d;

/// The number of a write; 0: the disk as it was, all zeros.
pub type Sequence = u64;

/// What a block says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub sequence: Sequence,
    pub block: u64,
    /// As last known when it was written: for people who read a failure.
    pub epoch: u64,
}

/// What was found in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All zeros: never written.
    Nothing,
    Whole(Stamp),
    /// Parts of two writes, or no write at all. The stamp of its first sector, if that is one.
    Torn(Option<Stamp>),
}

impl Stamp {
    pub fn image(&self) -> Vec<u8> {
        let mut image = vec![self.sequence.wrapping_mul(FILLERS) as u8; BLOCK];
        for (sector, octets) in (0..).zip(image.chunks_exact_mut(SECTOR)) {
            let head = [MAGIC, self.sequence, self.block, self.epoch, sector].map(u64::to_be_bytes);
            octets[..HEAD].copy_from_slice(head.as_flattened());
            octets[SECTOR - WORD..].copy_from_slice(&self.sequence.to_be_bytes());
        }
        image
    }

    /// What the first sector says, whether or not the rest agrees.
    fn read(image: &[u8]) -> Option<Self> {
        let word = |index: usize| image.get(index * WORD..).and_then(|it| it.first_chunk()).copied();
        let [magic, sequence, block, epoch] = [0, 1, 2, 3].map(|index| word(index).map(u64::from_be_bytes));
        (magic? == MAGIC).then_some(Self { sequence: sequence?, block: block?, epoch: epoch? })
    }
}

/// Looks at every octet.
pub fn examine(image: &[u8]) -> Found {
    if image.len() == BLOCK && image.iter().all(|octet| *octet == 0) {
        return Found::Nothing;
    }
    match Stamp::read(image) {
        Some(stamp) if stamp.image() == image => Found::Whole(stamp),
        other => Found::Torn(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { sequence: 77, block: 5, epoch: 3 };

    #[test]
    fn a_block_is_read_back_as_it_was_made() {
        assert_eq!(STAMP.image().len(), BLOCK);
        assert_eq!(examine(&STAMP.image()), Found::Whole(STAMP));
        assert_eq!(examine(&[0; BLOCK]), Found::Nothing);
    }

    #[test]
    fn a_block_of_two_writes_is_torn_wherever_it_was_cut() {
        let (new, old) = (Stamp { sequence: 78, ..STAMP }.image(), STAMP.image());
        for cut in [16, 100, 511, 512, 2_048, 4_088, 4_095] {
            let mixed = [&new[..cut], &old[cut..]].concat();
            assert!(matches!(examine(&mixed), Found::Torn(_)), "cut at {cut}");
        }
        let hole = [&new[..512], &vec![0; BLOCK - 512]].concat();
        assert!(matches!(examine(&hole), Found::Torn(Some(_))));
        assert_eq!(examine(&new[..512]), Found::Torn(Some(Stamp { sequence: 78, ..STAMP })), "short");
        assert_eq!(examine(b""), Found::Torn(None));
    }
}
