//! How a new table gets to the threads: swapped in, and acknowledged by both. When [`Exchange::wait_adopted`] has returned, no
//! thread uses the older table any more, and whatever only that one held (devices, sockets) can be closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use twinrail_datapath_sys::EventFd;

/// How long a publisher waits for the threads. They look at every turn, so that longer means that the machine is
/// overloaded: the table counts as published, and the delay is reported.
const ADOPTION_TIME: Duration = Duration::from_secs(1);

pub(crate) struct Exchange<T> {
    table: ArcSwap<T>,
    generation: AtomicU64,
    adopted: [AtomicU64; 2],
    wake: [EventFd; 2],
    stop: AtomicBool,
}

/// One thread's view: the table that it uses in this turn.
pub(crate) struct Adopted<T> {
    exchange: Arc<Exchange<T>>,
    lane: usize,
    generation: u64,
    table: Arc<T>,
}

impl<T> Exchange<T> {
    pub fn new(table: T) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            generation: AtomicU64::new(1),
            adopted: [AtomicU64::new(0), AtomicU64::new(0)],
            wake: [EventFd::new()?, EventFd::new()?],
            stop: AtomicBool::new(false),
        }))
    }

    pub fn current(&self) -> Arc<T> {
        self.table.load_full()
    }

    /// Puts a table in force, without waiting for the threads.
    pub fn swap(&self, table: T) {
        self.table.store(Arc::new(table));
        self.generation.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// Waits until both threads use the table that was put in force last.
    pub fn wait_adopted(&self) -> Result<(), Duration> {
        let wanted = self.generation.load(Ordering::Acquire);
        let until = Instant::now() + ADOPTION_TIME;
        let mut pause = Duration::from_micros(20);
        while self.adopted.iter().any(|it| it.load(Ordering::Acquire) < wanted) {
            if Instant::now() > until {
                return Err(ADOPTION_TIME);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
        Ok(())
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Wakes both threads: something changed that they should look at.
    pub fn wake(&self) {
        self.wake.iter().for_each(EventFd::wake);
    }

    pub fn wake_fd(&self, lane: usize) -> &EventFd {
        &self.wake[lane]
    }
}

impl<T> Adopted<T> {
    pub fn new(exchange: Arc<Exchange<T>>, lane: usize) -> Self {
        let table = exchange.current();
        Self { exchange, lane, generation: 0, table }
    }

    pub fn table(&self) -> Arc<T> {
        Arc::clone(&self.table)
    }

    /// Takes a newer table over, if there is one, and gives back the one before it.
    pub fn refresh(&mut self) -> Option<Arc<T>> {
        let generation = self.exchange.generation.load(Ordering::Acquire);
        if generation == self.generation {
            return None;
        }
        self.generation = generation;
        Some(std::mem::replace(&mut self.table, self.exchange.current()))
    }

    /// Says that the older table is no longer used here: call it when the last reference to it is gone.
    pub fn acknowledge(&self) {
        self.exchange.adopted[self.lane].store(self.generation, Ordering::Release);
    }
}
