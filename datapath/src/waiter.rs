//! How a thread of its own waits: for one descriptor, for a bell that others ring, and for a time.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use twinrail_datapath_sys::{Epoll, EventFd, Events, monotonic_ns};

use crate::rail::Nanos;

const BELL: u64 = 0;
const WATCHED: u64 = 1;

/// The thread's side. It waits level-triggered: what is still readable ends the next wait at once.
#[derive(Debug)]
pub struct Waiter {
    all: Epoll,
    bell_alone: Epoll,
    events: Events,
    bell: Bell,
}

/// Ends the present wait, or the next one. A clone rings at the same thread.
#[derive(Clone, Debug)]
pub struct Bell {
    event: Arc<EventFd>,
}

impl Waiter {
    /// `watched` stays open as long as the waiter is used.
    pub fn new(watched: &impl AsFd) -> io::Result<Self> {
        let (all, bell_alone, event) = (Epoll::new()?, Epoll::new()?, Arc::new(EventFd::new()?));
        all.add(&*event, BELL)?;
        all.add(watched, WATCHED)?;
        bell_alone.add(&*event, BELL)?;
        Ok(Self { all, bell_alone, events: Events::with_room_for(2), bell: Bell { event } })
    }

    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    pub fn wait(&mut self, until: Nanos) -> io::Result<()> {
        self.all.wait(&mut self.events, Some(left(until)))?;
        self.bell.event.clear();
        Ok(())
    }

    /// Whatever the descriptor has to say.
    pub fn wait_for_bell(&mut self, until: Nanos) -> io::Result<()> {
        self.bell_alone.wait(&mut self.events, Some(left(until)))?;
        self.bell.event.clear();
        Ok(())
    }
}

/// Rounded up to whole ms, which is what epoll counts in.
fn left(until: Nanos) -> Duration {
    Duration::from_millis(until.saturating_sub(monotonic_ns()).div_ceil(1_000_000))
}

impl Bell {
    pub fn ring(&self) {
        self.event.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bell_the_descriptor_and_the_time_end_a_wait() {
        let watched = EventFd::new().unwrap();
        let mut waiter = Waiter::new(&watched).unwrap();
        let mut ended_early = || {
            let start = monotonic_ns();
            waiter.wait(start + 50_000_000).unwrap();
            monotonic_ns() < start + 50_000_000
        };
        assert!(!ended_early());
        watched.wake();
        assert!(ended_early() && ended_early(), "as long as it is readable");
        let start = monotonic_ns();
        waiter.wait_for_bell(start + 50_000_000).unwrap();
        assert!(monotonic_ns() >= start + 50_000_000);
        watched.clear();
        waiter.bell().ring();
        let start = monotonic_ns();
        waiter.wait(start + 50_000_000).unwrap();
        assert!(monotonic_ns() < start + 50_000_000);
    }
}
