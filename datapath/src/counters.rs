//! What is counted: drops by cause, in all and by adapter, and what went each way. The threads add, anybody reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use twinrail_proto::domain::AdapterId;

use crate::Cause;

/// The counters of a datapath at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Every drop, known adapter or not, by cause. Causes that never happened are there with 0.
    pub drops: BTreeMap<Cause, u64>,
    pub adapters: BTreeMap<AdapterId, AdapterCounters>,
    /// Rail messages: sent, received, and those sent in fragments.
    pub messages_sent: u64,
    pub messages_received: u64,
    pub messages_fragmented: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterCounters {
    /// From the server: accepted at the director, or taken from the device at the server. A super-frame counts as one.
    pub from_server: Traffic,
    /// Towards the server: sent to it by the director, or delivered to the device at the server.
    pub to_server: Traffic,
    /// Only causes that happened.
    pub drops: BTreeMap<Cause, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub frames: u64,
    pub octets: u64,
}

/// A number that one thread or more add to.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

#[derive(Debug, Default)]
pub(crate) struct TrafficTally {
    frames: Tally,
    octets: Tally,
}

#[derive(Debug)]
pub(crate) struct DropTally(Box<[Tally]>);

#[derive(Debug, Default)]
pub(crate) struct AdapterTally {
    pub from_server: TrafficTally,
    pub to_server: TrafficTally,
    pub drops: DropTally,
}

/// What all threads of a machine count.
#[derive(Debug, Default)]
pub(crate) struct MachineTally {
    pub drops: DropTally,
    pub messages_sent: Tally,
    pub messages_received: Tally,
    pub messages_fragmented: Tally,
}

impl Tally {
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TrafficTally {
    pub fn add(&self, octets: usize) {
        self.frames.add(1);
        self.octets.add(octets as u64);
    }

    fn get(&self) -> Traffic {
        Traffic { frames: self.frames.get(), octets: self.octets.get() }
    }
}

impl Default for DropTally {
    fn default() -> Self {
        Self(Cause::ALL.iter().map(|_| Tally::default()).collect())
    }
}

impl DropTally {
    pub fn add(&self, cause: Cause, number: u64) {
        self.0[cause as usize].add(number);
    }

    pub fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize].get()
    }

    fn all(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        Cause::ALL.iter().map(|&cause| (cause, self.get(cause)))
    }
}

impl AdapterTally {
    fn get(&self) -> AdapterCounters {
        AdapterCounters {
            from_server: self.from_server.get(),
            to_server: self.to_server.get(),
            drops: self.drops.all().filter(|&(_, count)| count > 0).collect(),
        }
    }
}

impl MachineTally {
    /// Counts a drop, for the adapter too where one is known.
    pub fn dropped(&self, adapter: Option<&AdapterTally>, cause: Cause) {
        self.drops.add(cause, 1);
        if let Some(adapter) = adapter {
            adapter.drops.add(cause, 1);
        }
    }

    pub fn snapshot<'a>(&self, adapters: impl Iterator<Item = (AdapterId, &'a Arc<AdapterTally>)>) -> Counters {
        Counters {
            drops: self.drops.all().collect(),
            adapters: adapters.map(|(id, tally)| (id, tally.get())).collect(),
            messages_sent: self.messages_sent.get(),
            messages_received: self.messages_received.get(),
            messages_fragmented: self.messages_fragmented.get(),
        }
    }
}
