//! Wraps another rail and spoils what comes through it: drops, duplicates, delays, reorders and cuts, seeded. It works in
//! the simulator and in a real process alike; rules may change while it runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use twinrail_proto::domain::Rail;

use super::{Incoming, Nanos, Outgoing, RailEnds, RailReceiver, RailSender, ReceiveReport, SendReport};
use crate::Cause;
use crate::arena::{Arena, Piece};

/// Messages that may be delayed at the same time. More are dropped, as a queue in a switch drops them.
const DELAYED_MESSAGES: usize = 4096;

/// What goes wrong. Chances are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Drop {
        chance: f64,
    },
    Duplicate {
        chance: f64,
    },
    /// Every message comes later, by a time between the two.
    Delay {
        at_least: Nanos,
        at_most: Nanos,
    },
    /// The message comes later than those sent up to so much after it.
    Reorder {
        chance: f64,
        by: Nanos,
    },
    /// Nothing comes in.
    CutIn,
    /// Nothing goes out.
    CutOut,
}

/// Where it goes wrong; None: on both rails, with all peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRule {
    pub rail: Option<Rail>,
    pub peer: Option<IpAddr>,
    pub fault: Fault,
}

/// The rules in force, to be changed while the rails run.
#[derive(Clone, Debug)]
pub struct Faults {
    rules: Arc<ArcSwap<Vec<FaultRule>>>,
    seed: u64,
}

impl Faults {
    pub fn new(seed: u64, rules: Vec<FaultRule>) -> Self {
        Self { rules: Arc::new(ArcSwap::from_pointee(rules)), seed }
    }

    pub fn set(&self, rules: Vec<FaultRule>) {
        self.rules.store(Arc::new(rules));
    }

    /// The same rail with these faults.
    pub fn wrap(&self, rail: Rail, inner: RailEnds) -> RailEnds {
        let RailEnds { receiver, senders } = inner;
        let random = SmallRng::seed_from_u64(self.seed ^ rail.index() as u64);
        let faults = || RailFaults { rules: Arc::clone(&self.rules), rail };
        let receiver =
            ChaosReceiver { inner: receiver, faults: faults(), random, sequence: 0, delayed: BinaryHeap::new() };
        let senders = senders.map(|inner| Box::new(ChaosSender { inner, faults: faults() }) as Box<dyn RailSender>);
        RailEnds { receiver: Box::new(receiver), senders }
    }
}

struct RailFaults {
    rules: Arc<ArcSwap<Vec<FaultRule>>>,
    rail: Rail,
}

impl RailFaults {
    /// Calls `each` with the faults that meet this peer.
    fn for_peer(&self, peer: IpAddr, mut each: impl FnMut(Fault)) {
        for rule in self.rules.load().iter() {
            if rule.rail.is_none_or(|it| it == self.rail) && rule.peer.is_none_or(|it| it == peer) {
                each(rule.fault);
            }
        }
    }
}

struct ChaosSender {
    inner: Box<dyn RailSender>,
    faults: RailFaults,
}

impl RailSender for ChaosSender {
    fn post(&mut self, arena: &mut Arena, message: Outgoing) {
        let mut cut = false;
        self.faults.for_peer(message.to, |fault| cut |= fault == Fault::CutOut);
        if !cut {
            self.inner.post(arena, message);
        }
    }

    fn flush(&mut self, arena: &mut Arena, now: Nanos) -> SendReport {
        self.inner.flush(arena, now)
    }

    fn limit(&self) -> u32 {
        self.inner.limit()
    }

    fn refresh(&mut self) {
        self.inner.refresh();
    }
}

struct ChaosReceiver {
    inner: Box<dyn RailReceiver>,
    faults: RailFaults,
    random: SmallRng,
    sequence: u64,
    delayed: BinaryHeap<Reverse<Delayed>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Nanos,
    sequence: u64,
    from: IpAddr,
    message: Box<[u8]>,
}

/// What the rules make of one message.
#[derive(Clone, Copy, Default)]
struct Fate {
    copies: u32,
    delay: Nanos,
}

impl RailReceiver for ChaosReceiver {
    fn receive(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) -> ReceiveReport {
        let first = into.len();
        let report = self.inner.receive(arena, now, into);
        let mut kept = first;
        for at in first..into.len() {
            let incoming = into[at];
            let fate = self.fate(incoming.from);
            for copy in 0..fate.copies {
                // The first copy that is not delayed goes on as it is; every other one waits outside of the arena.
                if copy > 0 || fate.delay > 0 {
                    self.put_off(arena, incoming, now + fate.delay);
                }
            }
            if fate.copies > 0 && fate.delay == 0 {
                into[kept] = incoming;
                kept += 1;
            } else {
                arena.release(incoming.message.slot);
            }
        }
        into.truncate(kept);
        self.deliver_due(arena, now, into);
        report
    }

    fn next_refusal(&mut self) -> Option<IpAddr> {
        self.inner.next_refusal()
    }

    fn next_cause(&mut self) -> Option<Cause> {
        self.inner.next_cause()
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fd()
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let own = self.delayed.peek().map(|it| it.0.due);
        own.into_iter().chain(self.inner.next_deadline()).min()
    }
}

impl ChaosReceiver {
    fn fate(&mut self, from: IpAddr) -> Fate {
        let mut fate = Fate { copies: 1, delay: 0 };
        let random = &mut self.random;
        self.faults.for_peer(from, |fault| match fault {
            Fault::Drop { chance } if random.random_bool(chance.clamp(0.0, 1.0)) => fate.copies = 0,
            Fault::Duplicate { chance } if random.random_bool(chance.clamp(0.0, 1.0)) => fate.copies *= 2,
            Fault::Reorder { chance, by } if random.random_bool(chance.clamp(0.0, 1.0)) => fate.delay += by,
            Fault::Delay { at_least, at_most } => fate.delay += random.random_range(at_least..=at_most.max(at_least)),
            Fault::CutIn => fate.copies = 0,
            Fault::Drop { .. } | Fault::Duplicate { .. } | Fault::Reorder { .. } | Fault::CutOut => {}
        });
        fate
    }

    fn put_off(&mut self, arena: &Arena, incoming: Incoming, due: Nanos) {
        if self.delayed.len() < DELAYED_MESSAGES {
            self.sequence += 1;
            let message = arena.piece(incoming.message).into();
            self.delayed.push(Reverse(Delayed { due, sequence: self.sequence, from: incoming.from, message }));
        }
    }

    fn deliver_due(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) {
        while self.delayed.peek().is_some_and(|it| it.0.due <= now) {
            let Some(slot) = arena.take() else { return };
            let Some(Reverse(Delayed { from, message, .. })) = self.delayed.pop() else { return };
            arena.bytes_mut(slot)[..message.len()].copy_from_slice(&message);
            into.push(Incoming { from, message: Piece::new(slot, 0..message.len()) });
        }
    }
}
