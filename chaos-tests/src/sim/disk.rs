//! A disk that is honest until its power goes: what was flushed is there, of what was not a part may be, in the order in
//! which it was written; the last of it may be torn. It stalls when told to, and a flush may fail.

use std::collections::VecDeque;

use super::queue::{MICRO, MILLI, Nanos};
use super::rng::Rng;

/// What a disk keeps.
pub trait Stored {
    type Write;
    fn write(&mut self, write: &Self::Write);
    /// What is left of a write that was cut short, if anything that can be told from nothing.
    fn torn(write: &Self::Write, rng: &mut Rng) -> Option<Self::Write>;
}

/// How long a lying disk keeps what it said to be flushed in its cache.
const LYING_CACHE: Nanos = 400 * MILLI;

#[derive(Debug)]
pub struct Disk<T: Stored, A> {
    durable: T,
    under_way: VecDeque<UnderWay<T::Write, A>>,
    /// Of a disk that lies: said to be durable, and is not.
    cached: VecDeque<(Nanos, T::Write)>,
    lies: bool,
    last_done: Nanos,
    pub stalled_until: Nanos,
    /// The next flush fails.
    pub fails: bool,
}

#[derive(Debug)]
struct UnderWay<W, A> {
    write: W,
    after: A,
}

/// A flush failed: the disk cannot say what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushFailed;

impl<T: Stored + Clone, A> Disk<T, A> {
    pub fn new(durable: T, lies: bool) -> Self {
        Self {
            durable,
            under_way: VecDeque::new(),
            cached: VecDeque::new(),
            lies,
            last_done: 0,
            stalled_until: 0,
            fails: false,
        }
    }

    /// Returns when it will be flushed.
    pub fn submit(&mut self, write: T::Write, after: A, now: Nanos, rng: &mut Rng) -> Nanos {
        let takes = if rng.permille(10) { rng.between(5, 50) * MILLI } else { rng.between(80, 900) * MICRO };
        self.last_done = (now.max(self.stalled_until) + takes).max(self.last_done);
        self.under_way.push_back(UnderWay { write, after });
        self.last_done
    }

    /// The oldest write is flushed: what waited for that.
    pub fn flush(&mut self, now: Nanos) -> Result<Option<A>, FlushFailed> {
        if self.fails && !self.under_way.is_empty() {
            self.fails = false;
            return Err(FlushFailed);
        }
        let Some(UnderWay { write, after }) = self.under_way.pop_front() else { return Ok(None) };
        if self.lies {
            self.cached.push_back((now, write));
            while self.cached.front().is_some_and(|(at, _)| *at + LYING_CACHE <= now) {
                self.cached.pop_front().iter().for_each(|(_, write)| self.durable.write(write));
            }
        } else {
            self.durable.write(&write);
        }
        Ok(Some(after))
    }

    /// The process died and the machine did not: the kernel writes what it was given.
    pub fn after_kill(&mut self) -> T {
        let left = std::mem::take(&mut self.under_way);
        self.cached.drain(..).for_each(|(_, write)| self.durable.write(&write));
        left.iter().for_each(|it| self.durable.write(&it.write));
        self.durable.clone()
    }

    pub fn after_power_loss(&mut self, rng: &mut Rng) -> T {
        self.cached.clear();
        let left = std::mem::take(&mut self.under_way);
        let whole = rng.below(left.len() as u64 + 1) as usize;
        for it in left.iter().take(whole) {
            self.durable.write(&it.write);
        }
        if let Some(torn) = left.get(whole).and_then(|it| T::torn(&it.write, rng)) {
            self.durable.write(&torn);
        }
        self.durable.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Stream;

    #[derive(Clone, Debug, Default)]
    struct Numbers(Vec<u64>);

    impl Stored for Numbers {
        type Write = u64;
        fn write(&mut self, write: &u64) {
            self.0.push(*write);
        }
        fn torn(_: &u64, _: &mut Rng) -> Option<u64> {
            None
        }
    }

    fn written(lies: bool) -> (Disk<Numbers, u64>, Rng) {
        let (mut disk, mut rng) = (Disk::new(Numbers::default(), lies), Rng::new(1, Stream::Disks));
        for number in 0..8 {
            disk.submit(number, number, 0, &mut rng);
        }
        for number in 0..4 {
            assert_eq!(disk.flush(MILLI), Ok(Some(number)));
        }
        (disk, rng)
    }

    #[test]
    fn what_was_flushed_survives_and_the_rest_is_a_prefix() {
        let (mut disk, mut rng) = written(false);
        let kept = disk.after_power_loss(&mut rng).0;
        assert!(kept.len() >= 4 && kept == (0..kept.len() as u64).collect::<Vec<_>>());
        assert_eq!(written(false).0.after_kill().0.len(), 8);
    }

    #[test]
    fn a_lying_disk_loses_what_it_said_to_be_flushed() {
        let (mut disk, mut rng) = written(true);
        assert!(disk.after_power_loss(&mut rng).0.first().is_none_or(|it| *it >= 4));
    }
}
