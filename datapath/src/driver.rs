//! The thread around an engine: wait, one turn, and again. Two threads a machine: one for what comes from the rails, one
//! for what comes from the edges.
//!
//! ```text
//!   wait ──▶ begin(now) ──▶ ready(token) … ──▶ tick ──▶ finish ──┐
//!     ▲      one clock      sockets, devices   timer    send all  │
//!     └───────────────────────────────────────────────────────────┘
//! ```

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use twinrail_datapath_sys::{Epoll, Events, Readiness, TimerFd, monotonic_ns};

use crate::error::StartError;
use crate::exchange::Exchange;
use crate::priority::Priority;
use crate::rail::Nanos;

const WAKE: u64 = 0;
const TIMER: u64 = 1;
/// Tokens of the rails; those of edges follow.
pub(crate) const RAIL: u64 = 2;
pub(crate) const FIRST_EDGE: u64 = 16;

/// Descriptors served in one turn. More wait for the next one: epoll goes round.
const READY_AT_ONCE: usize = 64;

/// What a thread runs.
pub(crate) trait Engine: Send + 'static {
    fn begin(&mut self, now: Nanos);
    fn ready(&mut self, readiness: Readiness, now: Nanos);
    /// The hello interval is over, and all that was ready has been served.
    fn tick(&mut self, now: Nanos);
    /// Sends what the turn gathered. `all_seen`: nothing that was ready is left for the next turn, as far as the wait
    /// could tell.
    fn finish(&mut self, now: Nanos, all_seen: bool);
    fn next_deadline(&self) -> Option<Nanos>;
    /// The thread ends.
    fn farewell(&mut self, now: Nanos);
}

/// The threads of a machine; dropping it stops and joins them.
pub(crate) struct Threads<T: Send + Sync + 'static> {
    exchange: Arc<Exchange<T>>,
    handles: Vec<JoinHandle<()>>,
}

impl<T: Send + Sync + 'static> Threads<T> {
    pub fn new(exchange: Arc<Exchange<T>>) -> Self {
        Self { exchange, handles: Vec::new() }
    }

    /// Starts the thread of this lane. `epoll` may be given further descriptors while it runs.
    pub fn spawn(
        &mut self,
        name: &str,
        lane: usize,
        epoll: Arc<Epoll>,
        interval: Duration,
        mut engine: impl Engine,
    ) -> Result<(), StartError> {
        let timer = TimerFd::every(interval).map_err(|source| StartError::Wait { source })?;
        epoll.add(&timer, TIMER).map_err(|source| StartError::Wait { source })?;
        epoll.add(self.exchange.wake_fd(lane), WAKE).map_err(|source| StartError::Wait { source })?;
        let exchange = Arc::clone(&self.exchange);
        let run = move || {
            Priority::Carrying.take();
            drive(&mut engine, &epoll, &timer, &exchange, lane);
        };
        let handle = std::thread::Builder::new().name(name.into()).spawn(run);
        self.handles.push(handle.map_err(|source| StartError::Thread { source })?);
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Drop for Threads<T> {
    fn drop(&mut self) {
        self.exchange.stop();
        for handle in self.handles.drain(..) {
            if handle.join().is_err() {
                tracing::error!("a datapath thread had panicked");
            }
        }
    }
}

fn drive<T>(engine: &mut impl Engine, epoll: &Epoll, timer: &TimerFd, exchange: &Exchange<T>, lane: usize) {
    let mut events = Events::with_room_for(READY_AT_ONCE);
    while !exchange.is_stopped() {
        let timeout = engine.next_deadline().map(|it| until(it, monotonic_ns()));
        if let Err(error) = epoll.wait(&mut events, timeout) {
            tracing::error!(%error, "waiting for frames failed");
            return;
        }
        let now = monotonic_ns();
        engine.begin(now);
        let mut tick = false;
        for readiness in events.iter() {
            match readiness.token {
                WAKE => exchange.wake_fd(lane).clear(),
                TIMER => tick = timer.expirations() > 0,
                _ => engine.ready(readiness, now),
            }
        }
        if tick {
            engine.tick(now);
        }
        engine.finish(now, events.iter().count() < READY_AT_ONCE);
    }
    engine.farewell(monotonic_ns());
}

/// Rounded up to whole ms, which is what epoll counts in.
fn until(deadline: Nanos, now: Nanos) -> Duration {
    Duration::from_millis(deadline.saturating_sub(now).div_ceil(1_000_000))
}

/// Adds a descriptor to a thread's wait, if there is one.
pub(crate) fn watch(epoll: &Epoll, fd: Option<BorrowedFd<'_>>, token: u64) -> std::io::Result<()> {
    fd.map_or(Ok(()), |fd| epoll.add(&fd, token))
}
