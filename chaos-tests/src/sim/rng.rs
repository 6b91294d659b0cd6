//! Chance from a seed: SplitMix64 (Steele, Lea, Flood 2014). Written here so that a seed means the same for ever, whatever
//! becomes of the crates that offer generators.

/// One stream of numbers. Streams of one seed are independent: what one of them is asked for does not change another.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    World = 1,
    Faults = 2,
    Network = 3,
    Disks = 4,
    Storage = 5,
    Clients = 6,
    Elections = 7,
    Servers = 8,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    pub fn new(seed: u64, stream: Stream) -> Self {
        let mut rng = Self(seed ^ (stream as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From `least` to `most`, both possible.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    pub fn permille(&mut self, chance: u64) -> bool {
        chance > 0 && self.below(1000) < chance
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_are_fixed_and_streams_differ() {
        let mut known = Rng(0);
        assert_eq!(known.next(), 0xe220_a839_7b1d_cdaf, "the published first number of seed 0");
        assert_ne!(Rng::new(1, Stream::World).next(), Rng::new(1, Stream::Faults).next());
        assert_eq!(Rng::new(9, Stream::World).next(), Rng::new(9, Stream::World).next());
    }
}
