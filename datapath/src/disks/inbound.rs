use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use twinrail_datapath_sys::EventFd;
use twinrail_proto::domain::{DirectorId, Rail, RailAddresses};

use super::limits;
use crate::commands::initiator::Home;
use crate::nbd::{Request, Ticket};

/// What the vHBA's thread is told.
pub(super) enum Order {
    Request {
        lun: u16,
        generation: u64,
        request: Request,
        ticket: Ticket,
    },
    Home(Option<Home>),
    Path(Rail, bool),
    Directors(BTreeMap<DirectorId, RailAddresses>),
    Mask(BTreeSet<u16>),
    Rescan,
    /// Begin nothing any more.
    Close,
    Stop,
}

/// The queue of orders. Whoever puts one in wakes the thread only when it sleeps; the lock is held for no longer than that
/// takes.
pub(super) struct Inbound {
    state: Mutex<State>,
    pub wake: EventFd,
}

#[derive(Default)]
struct State {
    orders: Vec<Order>,
    sleeping: bool,
    ended: bool,
}

impl Inbound {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { state: Mutex::default(), wake: EventFd::new()? })
    }

    /// An order that cannot be taken is dropped, and a request's ticket answers with an error then.
    pub fn put(&self, order: Order) {
        let mut state = self.lock();
        let full = state.orders.len() >= limits::QUEUE && matches!(order, Order::Request { .. });
        if full || state.ended {
            drop(state);
            return drop(order);
        }
        state.orders.push(order);
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.wake();
        }
    }

    /// Exchanges what has come for an empty vector.
    pub fn take(&self, into: &mut Vec<Order>) {
        std::mem::swap(&mut self.lock().orders, into);
    }

    /// The thread is about to sleep; false: it must not, there is something to do.
    pub fn may_sleep(&self) -> bool {
        let mut state = self.lock();
        state.sleeping = state.orders.is_empty();
        state.sleeping
    }

    pub fn woken(&self) {
        self.lock().sleeping = false;
    }

    /// Nobody takes orders any more.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let left = std::mem::take(&mut state.orders);
        drop(state);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
