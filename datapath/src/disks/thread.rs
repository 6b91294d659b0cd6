use std::io;
use std::sync::Arc;
use std::time::Duration;

use twinrail_datapath_sys::{Epoll, Events, monotonic_ns};

use super::engine::Engine;
use super::inbound::Order;
use super::vhba::{Changed, Shared, VhbaConfig};
use crate::commands::Initiator;
use crate::commands::initiator::Effect;
use crate::commands::tcp::TcpInitiator;
use crate::nbd::Ticket;
use crate::priority::Priority;
use crate::rail::Nanos;

const RAILS: u64 = 0;
const WAKE: u64 = 1;

/// Everything that one vHBA's thread has.
///
/// ```text
///   wait ──▶ orders ──▶ feed ──▶ turn ──▶ effects ──▶ answers ──┐
///     ▲      requests   commands  sockets  of commands  tickets  │
///     └──────────────── nothing left to do ──────────────────────┘
/// ```
pub(super) struct Thread {
    shared: Arc<Shared>,
    changed: Changed,
    rails: TcpInitiator,
    engine: Engine<Ticket>,
    epoll: Epoll,
    orders: Vec<Order>,
    effects: Vec<Effect>,
}

/// Whoever waits for the thread must not wait for ever.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.inbound.end();
        self.0.tell_quiet();
    }
}

impl Thread {
    pub fn new(config: VhbaConfig, shared: Arc<Shared>, changed: Changed) -> io::Result<Self> {
        let VhbaConfig { initiator, addresses, mask, remembered } = config;
        let engine = Engine::new(initiator.io_timeout, mask, remembered, monotonic_ns());
        let rails = TcpInitiator::new(Initiator::new(initiator), addresses)?;
        let epoll = Epoll::new()?;
        epoll.add(&rails.fd(), RAILS)?;
        epoll.add(&shared.inbound.wake, WAKE)?;
        shared.tell(engine.disks(), engine.path());
        Ok(Self { shared, changed, rails, engine, epoll, orders: Vec::new(), effects: Vec::new() })
    }

    pub fn run(mut self) {
        let _ending = Ending(Arc::clone(&self.shared));
        Priority::Carrying.take();
        if let Err(error) = self.serve() {
            tracing::error!(%error, "a vHBA's thread cannot wait for its sockets any more: its disks fail");
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_room_for(2);
        loop {
            let now = monotonic_ns();
            if !self.obey(now) {
                return Ok(());
            }
            let busy = self.step(now)?;
            self.tell(now);
            if busy || !self.shared.inbound.may_sleep() {
                continue;
            }
            let deadline = [self.rails.next_deadline(), self.engine.next_deadline()].into_iter().flatten();
            // What was due by now has been done, or waits for something else to happen.
            let deadline = deadline.filter(|it| *it > now).min();
            self.epoll.wait(&mut events, deadline.map(|it| until(it, monotonic_ns())))?;
            self.shared.inbound.woken();
            if events.iter().any(|it| it.token == WAKE) {
                self.shared.inbound.wake.clear();
            }
        }
    }

    /// False: the thread has to end.
    fn obey(&mut self, now: Nanos) -> bool {
        let mut orders = std::mem::take(&mut self.orders);
        self.shared.inbound.take(&mut orders);
        let mut goes_on = true;
        for order in orders.drain(..) {
            match order {
                // The token that comes back is dropped, which answers with an error.
                Order::Request { lun, generation, request, ticket } => {
                    drop(self.engine.submit(lun, generation, request, ticket, now));
                }
                Order::Home(home) => self.rails.initiator().set_home(home, now),
                Order::Path(rail, up) => self.rails.initiator().set_path(rail, up, now),
                Order::Directors(directors) => self.rails.set_directors(directors),
                Order::Mask(mask) => self.engine.set_mask(mask),
                Order::Rescan => self.engine.rescan(),
                Order::Close => self.engine.close(now),
                Order::Stop => goes_on = false,
            }
        }
        self.orders = orders;
        goes_on
    }

    /// Returns whether there may be more to do at once.
    fn step(&mut self, now: Nanos) -> io::Result<bool> {
        self.engine.feed(self.rails.initiator(), now);
        self.rails.turn(now, &mut self.effects)?;
        let mut busy = !self.effects.is_empty();
        for effect in self.effects.drain(..) {
            self.engine.effect(effect, now);
        }
        while let Some((ticket, result)) = self.engine.next_finished(now) {
            busy = true;
            ticket.complete(result);
        }
        Ok(busy || self.engine.is_behind(self.rails.initiator()))
    }

    fn tell(&mut self, now: Nanos) {
        let replayed = self.rails.initiator().replayed();
        self.shared.tell_counts(super::status::Counts { replayed, ..self.engine.counts() });
        if self.engine.take_changed() {
            self.shared.tell(self.engine.disks(), self.engine.path());
            (self.changed)();
        }
        if self.engine.has_ended(now) {
            self.shared.tell_quiet();
        }
    }
}

/// Rounded up to whole ms, which is what epoll counts in.
fn until(deadline: Nanos, now: Nanos) -> Duration {
    Duration::from_millis(deadline.saturating_sub(now).div_ceil(1_000_000))
}
