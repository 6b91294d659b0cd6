//! The load: draws what to do from a seed, keeps many commands in flight, and hands every answer to the model.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::block::BLOCK;
use super::disk::{Cookie, Disk, Reply, Request};
use super::gaps::Gaps;
use super::model::{Model, Outcome, Violation};
use crate::lab::setting;
use crate::measure::clock::{self, Nanos};

/// Commands in flight.
pub const DEPTH: usize = 48;
/// Blocks that were written last: what is likely to be overwritten by something old is written and read again soon.
const RECENT: usize = 32;
/// How often a block is drawn before the turn is left out: nearly all are in use then.
const DRAWS: usize = 8;
/// The share of FLUSH among the commands: what file systems send too.
const FLUSHES: f64 = 0.002;
/// One wait for answers: the load looks in between whether it shall end.
const WAIT: Duration = Duration::from_millis(20);

/// What the load and those who disturb it tell each other.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    epoch: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
    violations: Arc<AtomicU64>,
}

impl Shared {
    /// The disk's epoch, as last known: it goes into what is written.
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Answers so far.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Violations so far.
    pub fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }
}

/// What was done and what was found.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub reads: u64,
    pub writes: u64,
    pub errors: u64,
    pub violations: Vec<(Nanos, Violation)>,
    pub gaps: Gaps,
}

pub struct Load<D> {
    disk: D,
    model: Model,
    random: SmallRng,
    in_flight: BTreeMap<Cookie, InFlight>,
    next_cookie: Cookie,
    recent: VecDeque<usize>,
    shared: Shared,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
enum InFlight {
    Read(usize),
    Write(usize),
    Flush,
}

impl<D: Disk> Load<D> {
    /// Of a disk of so many blocks, all zeros.
    pub fn new(disk: D, blocks: usize, seed: u64, shared: Shared) -> Self {
        Self {
            disk,
            model: Model::new(blocks),
            random: SmallRng::seed_from_u64(seed),
            in_flight: BTreeMap::new(),
            next_cookie: 0,
            recent: VecDeque::new(),
            shared,
            tally: Tally::default(),
        }
    }

    /// One turn: as many commands as there is room for, and the answers that have come.
    pub fn turn(&mut self) -> Result<()> {
        for _ in self.in_flight.len()..DEPTH {
            self.begin_one()?;
        }
        self.take_answers()
    }

    /// The disk was lost, and is there again: nobody knows what became of the commands in flight.
    pub fn go_on_with(&mut self, disk: D) {
        for what in std::mem::take(&mut self.in_flight).into_values() {
            match what {
                InFlight::Write(block) => self.model.end_write(block, Outcome::Unknown),
                InFlight::Read(block) => drop(self.model.end_read(block, None)),
                InFlight::Flush => {}
            }
        }
        self.disk = disk;
    }

    /// Waits until everything is answered.
    pub fn settle(&mut self, patience: Duration) -> Result<()> {
        let patience = setting::patience(patience);
        let end = Instant::now() + patience;
        while !self.in_flight.is_empty() {
            ensure!(Instant::now() < end, "{} commands were not answered in {patience:?}", self.in_flight.len());
            self.take_answers()?;
        }
        Ok(())
    }

    /// Reads every block. The load must be settled.
    pub fn read_all(&mut self, patience: Duration) -> Result<()> {
        for block in 0..self.model.blocks() {
            while self.in_flight.len() >= DEPTH {
                self.take_answers()?;
            }
            self.begin_read(block)?;
        }
        self.settle(patience)
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn finish(self) -> Tally {
        self.tally
    }

    fn begin_one(&mut self) -> Result<()> {
        if self.random.random_bool(FLUSHES) {
            return self.submit(InFlight::Flush, Request::Flush);
        }
        let write = self.random.random_bool(0.5);
        for _ in 0..DRAWS {
            let block = self.draw_block();
            if write && self.model.may_write(block) {
                return self.begin_write(block);
            }
            if !write && self.model.may_read(block) {
                return self.begin_read(block);
            }
        }
        Ok(())
    }

    fn draw_block(&mut self) -> usize {
        if !self.recent.is_empty() && self.random.random_bool(0.5) {
            self.recent[self.random.random_range(0..self.recent.len())]
        } else {
            self.random.random_range(0..self.model.blocks())
        }
    }

    fn begin_write(&mut self, block: usize) -> Result<()> {
        let data = self.model.begin_write(block, self.shared.epoch.load(Ordering::Relaxed)).image();
        self.submit(InFlight::Write(block), Request::Write { offset: offset(block), data })
    }

    fn begin_read(&mut self, block: usize) -> Result<()> {
        self.model.begin_read(block);
        self.submit(InFlight::Read(block), Request::Read { offset: offset(block), length: BLOCK as u32 })
    }

    fn submit(&mut self, what: InFlight, request: Request) -> Result<()> {
        self.next_cookie += 1;
        self.in_flight.insert(self.next_cookie, what);
        self.disk.submit(self.next_cookie, request)
    }

    fn take_answers(&mut self) -> Result<()> {
        for reply in self.disk.replies(WAIT)? {
            self.on_reply(reply)?;
        }
        Ok(())
    }

    fn on_reply(&mut self, Reply { cookie, result }: Reply) -> Result<()> {
        let what = self.in_flight.remove(&cookie);
        let now = clock::now();
        self.tally.errors += u64::from(result.is_err());
        self.tally.gaps.on_answer(now);
        self.shared.answers.fetch_add(1, Ordering::Relaxed);
        match what {
            None => bail!("an answer to nothing: cookie {cookie}"),
            Some(InFlight::Flush) => {}
            Some(InFlight::Write(block)) => {
                self.tally.writes += 1;
                let outcome = if result.is_ok() { Outcome::Acknowledged } else { Outcome::Unknown };
                self.model.end_write(block, outcome);
                self.recent.push_back(block);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
            }
            Some(InFlight::Read(block)) => {
                self.tally.reads += 1;
                let violation = self.model.end_read(block, result.as_deref().ok());
                self.shared.violations.fetch_add(u64::from(violation.is_some()), Ordering::Relaxed);
                self.tally.violations.extend(violation.map(|it| (now, it)));
            }
        }
        Ok(())
    }
}

fn offset(block: usize) -> u64 {
    (block * BLOCK) as u64
}
