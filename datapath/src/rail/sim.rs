//! A rail in memory: seeded, on the time that is passed in, so that a run can be repeated exactly. Frames take a random
//! time within a range; those of one sender to one receiver stay in order, as on a real fabric.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Incoming, Nanos, Outgoing, RailEnds, RailReceiver, RailSender, ReceiveReport, SendReport};
use crate::Cause;
use crate::arena::{Arena, Piece};

/// Messages on their way to one receiver. More are dropped, as a full socket buffer drops them.
const MESSAGES_UNDERWAY: usize = 4096;

/// Messages of one receive.
const RECEIVE_BATCH: usize = 16;

/// A fabric, and who is attached to it.
#[derive(Clone)]
pub struct SimFabric {
    state: Arc<Mutex<State>>,
}

struct State {
    random: SmallRng,
    latency: Range<Nanos>,
    sequence: u64,
    inboxes: BTreeMap<IpAddr, BinaryHeap<Reverse<Underway>>>,
    last_due: BTreeMap<(IpAddr, IpAddr), Nanos>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Underway {
    due: Nanos,
    sequence: u64,
    from: IpAddr,
    message: Vec<u8>,
}

impl SimFabric {
    pub fn new(seed: u64, latency: Range<Nanos>) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        let (inboxes, last_due) = (BTreeMap::new(), BTreeMap::new());
        Self { state: Arc::new(Mutex::new(State { random, latency, sequence: 0, inboxes, last_due })) }
    }

    /// Attaches a machine. `limit` is the largest datagram that its end takes whole.
    pub fn attach(&self, address: IpAddr, limit: u32) -> RailEnds {
        self.lock().inboxes.entry(address).or_default();
        let sender = || SimSender { fabric: self.clone(), address, limit, posted: Vec::new() };
        RailEnds {
            receiver: Box::new(SimReceiver { fabric: self.clone(), address }),
            senders: [Box::new(sender()), Box::new(sender())],
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the message is on its way now: nobody may be there, or its inbox may be full.
    fn send(&mut self, from: IpAddr, to: IpAddr, message: Vec<u8>, now: Nanos) -> bool {
        let latency = self.random.random_range(self.latency.clone());
        let Some(inbox) = self.inboxes.get_mut(&to).filter(|it| it.len() < MESSAGES_UNDERWAY) else { return false };
        let last_due = self.last_due.entry((from, to)).or_default();
        let due = (now + latency).max(*last_due);
        *last_due = due;
        self.sequence += 1;
        inbox.push(Reverse(Underway { due, sequence: self.sequence, from, message }));
        true
    }
}

struct SimSender {
    fabric: SimFabric,
    address: IpAddr,
    limit: u32,
    posted: Vec<Outgoing>,
}

impl RailSender for SimSender {
    fn post(&mut self, arena: &mut Arena, message: Outgoing) {
        if let Some(body) = message.body {
            arena.hold(body.slot);
        }
        self.posted.push(message);
    }

    fn flush(&mut self, arena: &mut Arena, now: Nanos) -> SendReport {
        let mut report = SendReport::default();
        let mut state = self.fabric.lock();
        for Outgoing { to, limit: _, head, body } in self.posted.drain(..) {
            let bytes = [head.bytes(), body.map_or(&[], |it| arena.piece(it))].concat();
            match state.send(self.address, to, bytes, now) {
                true => report.sent += 1,
                false => report.full += 1,
            }
            if let Some(body) = body {
                arena.release(body.slot);
            }
        }
        report
    }

    fn limit(&self) -> u32 {
        self.limit
    }

    fn refresh(&mut self) {}
}

struct SimReceiver {
    fabric: SimFabric,
    address: IpAddr,
}

impl RailReceiver for SimReceiver {
    fn receive(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) -> ReceiveReport {
        let mut state = self.fabric.lock();
        let Some(inbox) = state.inboxes.get_mut(&self.address) else { return ReceiveReport::default() };
        for _ in 0..RECEIVE_BATCH {
            if inbox.peek().is_none_or(|it| it.0.due > now) {
                return ReceiveReport::default();
            }
            let Some(slot) = arena.take() else { break };
            let Some(Reverse(Underway { from, message, .. })) = inbox.pop() else { break };
            arena.bytes_mut(slot)[..message.len()].copy_from_slice(&message);
            into.push(Incoming { from, message: Piece::new(slot, 0..message.len()) });
        }
        ReceiveReport { more: true, ..ReceiveReport::default() }
    }

    fn next_refusal(&mut self) -> Option<IpAddr> {
        None
    }

    fn next_cause(&mut self) -> Option<Cause> {
        None
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let state = self.fabric.lock();
        state.inboxes.get(&self.address)?.peek().map(|it| it.0.due)
    }
}
