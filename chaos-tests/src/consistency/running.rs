//! A load that runs on a thread of its own until it is told to end, and then looks at every block once more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::block::BLOCK;
use super::load::{Load, Shared, Tally};
use super::nbd::NbdDisk;

/// Blocks under test, from the beginning of the disk.
pub const BLOCKS: usize = 512;
/// Before the last look: everything that was slow has long reached the medium.
const BEFORE_THE_LAST_LOOK: Duration = Duration::from_millis(1_500);
/// Whatever is held is answered within this once the cluster is whole.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// Dropping it lets the thread end by itself.
pub struct RunningLoad {
    pub shared: Shared,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Tally>>,
}

impl RunningLoad {
    /// On the NBD export of a disk that is all zeros.
    pub fn start(export: &Path, seed: u64) -> Result<Self> {
        Self::start_paced(export, seed, Duration::ZERO)
    }

    /// The same with a rest after each turn: beside other clients on a small machine.
    pub fn start_paced(export: &Path, seed: u64, rest: Duration) -> Result<Self> {
        let disk = NbdDisk::attach(export)?;
        ensure!(disk.size() >= (BLOCKS * BLOCK) as u64, "the disk has {} octets only", disk.size());
        let (shared, stop) = (Shared::default(), Arc::new(AtomicBool::new(false)));
        let (load, ends) = (Load::new(disk, BLOCKS, seed, shared.clone()), stop.clone());
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || keep_loading(load, &ends, rest));
        Ok(Self { shared, stop, thread: thread.context("could not start a thread")? })
    }

    /// Answers so far; an error when the load has ended by itself.
    pub fn progress(&self) -> Result<u64> {
        ensure!(!self.thread.is_finished(), "the load has ended by itself");
        Ok(self.shared.answers())
    }

    /// Ends it: waits for what is in flight, and reads every block.
    pub fn finish(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

fn keep_loading(mut load: Load<NbdDisk>, stop: &AtomicBool, rest: Duration) -> Result<Tally> {
    while !stop.load(Ordering::Relaxed) {
        load.turn().context("the load could not go on")?;
        std::thread::sleep(rest);
    }
    load.settle(SETTLES_WITHIN)?;
    std::thread::sleep(BEFORE_THE_LAST_LOOK);
    load.read_all(SETTLES_WITHIN)?;
    Ok(load.finish())
}
