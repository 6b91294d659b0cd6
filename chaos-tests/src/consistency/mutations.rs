//! The checker finds what it is for: disks in memory, each with one fault, under the same load as the real one.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::block::BLOCK;
use super::disk::{Cookie, Disk, Reply, Request};
use super::load::{Load, Shared, Tally};
use super::model::Kind;

const BLOCKS: usize = 512;
const TURNS: usize = 600;
const PATIENCE: Duration = Duration::from_secs(10);
/// `EIO` of NBD.
const IO_ERROR: u32 = 5;

/// What is wrong with a disk, for one write in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The write is answered with an error; it was done, or not.
    Error,
    /// Acknowledged and never done.
    Dropped,
    /// Done, acknowledged, and done once more after a while: what an old home's commands do.
    Again,
    /// Half of it is done.
    Half,
    /// It goes to the next block.
    Elsewhere,
}

/// Answers in no order; some commands wait for several turns.
struct Memory {
    octets: Vec<u8>,
    fault: Fault,
    random: SmallRng,
    replies: Vec<Reply>,
    /// Writes that come again, and after how many calls.
    later: VecDeque<(usize, usize, Vec<u8>)>,
    calls: usize,
}

impl Memory {
    fn new(fault: Fault, seed: u64) -> Self {
        Self {
            octets: vec![0; BLOCKS * BLOCK],
            fault,
            random: SmallRng::seed_from_u64(seed),
            replies: Vec::new(),
            later: VecDeque::new(),
            calls: 0,
        }
    }

    fn put(&mut self, at: usize, data: &[u8]) {
        self.octets[at..at + data.len()].copy_from_slice(data);
    }

    fn write(&mut self, at: usize, data: Vec<u8>) -> Result<Vec<u8>, u32> {
        let fault = if self.random.random_bool(0.01) { self.fault } else { Fault::None };
        match fault {
            Fault::Dropped => {}
            Fault::Half => self.put(at, &data[..BLOCK / 2]),
            Fault::Elsewhere => self.put((at + BLOCK) % self.octets.len(), &data),
            Fault::Error => {
                if self.random.random_bool(0.5) {
                    self.put(at, &data);
                }
                return Err(IO_ERROR);
            }
            Fault::None => self.put(at, &data),
            Fault::Again => {
                self.put(at, &data);
                self.later.push_back((self.calls + 20, at, data));
            }
        }
        Ok(Vec::new())
    }
}

impl Disk for Memory {
    fn submit(&mut self, cookie: Cookie, request: Request) -> Result<()> {
        let result = match request {
            Request::Read { offset, length } => {
                Ok(self.octets[offset as usize..offset as usize + length as usize].to_vec())
            }
            Request::Write { offset, data } => self.write(offset as usize, data),
            Request::Flush => Ok(Vec::new()),
        };
        self.replies.push(Reply { cookie, result });
        Ok(())
    }

    fn replies(&mut self, _: Duration) -> Result<Vec<Reply>> {
        self.calls += 1;
        while let Some((_, at, data)) = self.later.pop_front_if(|it| it.0 <= self.calls) {
            self.put(at, &data);
        }
        self.replies.shuffle(&mut self.random);
        let kept = self.random.random_range(0..=self.replies.len() / 2);
        Ok(self.replies.split_off(kept))
    }
}

fn run(fault: Fault, seed: u64) -> Tally {
    let mut load = Load::new(Memory::new(fault, seed), BLOCKS, seed, Shared::default());
    (0..TURNS).try_for_each(|_| load.turn()).unwrap();
    load.settle(PATIENCE).unwrap();
    load.read_all(PATIENCE).unwrap();
    load.finish()
}

fn found(tally: &Tally, kind: Kind) -> usize {
    tally.violations.iter().filter(|it| it.1.kind == kind).count()
}

const SEEDS: std::ops::Range<u64> = 1..5;

#[test]
fn a_disk_without_fault_is_not_blamed() {
    for seed in SEEDS {
        let tally = run(Fault::None, seed);
        assert!(tally.writes > 4_000 && tally.reads > 4_000, "{} writes, {} reads", tally.writes, tally.reads);
        assert_eq!((tally.violations, tally.errors), (Vec::new(), 0));
    }
}

#[test]
fn a_write_that_ended_with_an_error_may_be_done_or_not() {
    for seed in SEEDS {
        let tally = run(Fault::Error, seed);
        assert!(tally.errors > 30, "{}", tally.errors);
        assert_eq!(tally.violations, Vec::new());
    }
}

#[test]
fn a_dropped_write_is_lost() {
    for seed in SEEDS {
        let tally = run(Fault::Dropped, seed);
        assert!(found(&tally, Kind::Lost) > 20, "{tally:?}");
        assert_eq!(found(&tally, Kind::Torn), 0);
    }
}

#[test]
fn a_write_that_comes_again_is_stale() {
    for seed in SEEDS {
        let tally = run(Fault::Again, seed);
        assert!(found(&tally, Kind::Stale) > 10, "{tally:?}");
        assert_eq!(found(&tally, Kind::Torn), 0);
    }
}

#[test]
fn half_a_write_and_one_in_the_wrong_place_are_torn() {
    for seed in SEEDS {
        assert!(found(&run(Fault::Half, seed), Kind::Torn) > 20);
        assert!(found(&run(Fault::Elsewhere, seed), Kind::Torn) > 20);
    }
}
