//! A director's datapath: rails ⇄ LAN ports.
//!
//! ```text
//!    servers ══ rail A ══╗                                     ╔══ port of LAN 1
//!            ══ rail B ══╬▶ thread "from rails"  ─ check, switch ─▶╬══ port of LAN 2
//!                        ╚◀ thread "from uplinks" ◀ look up ─────╝     announcements
//!                                   ▲ table, swapped ▲
//!                              publish │ extend_lease   (control plane)
//! ```
//!
//! Guarantees:
//! * A frame goes out only as an adapter of this table: sent by the server that it is bound to, with its epoch, its MAC and
//!   a VLAN of its own. Everything else is dropped and counted by its cause.
//! * Nothing is carried without a live lease, nor after the process was stopped until a lease was asked for anew.
//! * When [`DirectorDatapath::publish`] returns, no thread forwards by an older table.
//! * Every adapter is announced on its LAN with every new epoch, from when there is a lease, for longer than a former home's
//!   lease may last.

mod announce;
mod delivery;
mod forwarding;
mod from_rails;
mod from_uplinks;
mod gate;
mod hold;
mod pace;
mod publisher;
mod stepped;
mod switch;
mod table;
mod uplinks;

use std::sync::Arc;

use twinrail_datapath_sys::{Epoll, monotonic_ns};
use twinrail_proto::domain::Rail;

pub use pace::Pace;
pub use stepped::SteppedDirector;
pub use table::{Carry, DirectorAdapter, DirectorTable, LanPort};

use crate::clock::Clock;
use crate::config::{DirectorConfig, RailsConfig};
use crate::counters::{Counters, MachineTally};
use crate::driver::{RAIL, Threads, watch};
use crate::edge::Ports;
use crate::edge::kernel::KernelPorts;
use crate::error::{Problem, StartError};
use crate::event::Events;
use crate::exchange::{Adopted, Exchange};
use crate::lease::{Grant, Lease};
use crate::peer::PathState;
use crate::rail::{RailEnds, open_both};
use crate::rail_side::{Hellos, RailSide, own_header};
use crate::recorder::{Recorded, Recorder};
use crate::report::PublishReport;
use forwarding::Forwarding;
use from_rails::FromRails;
use from_uplinks::FromUplinks;
use gate::Gate;
use publisher::Publisher;
use uplinks::UplinkQueues;

/// A running datapath. Dropping it says goodbye to the peers, and stops and joins the threads.
pub struct DirectorDatapath {
    /// First, so that the threads end before what they use goes.
    _threads: Threads<Forwarding>,
    publisher: Publisher,
    lease: Arc<Lease>,
    tally: Arc<MachineTally>,
    edges: Arc<Epoll>,
}

/// What an engine is made of, whoever runs it.
struct Parts {
    rails: [RailEnds; 2],
    ports: Box<dyn Ports>,
    clock: Clock,
    recorder: Option<Arc<Recorder>>,
    events: Arc<Events>,
}

/// Both engines and what the control plane holds of them.
struct Assembly {
    from_rails: FromRails,
    from_uplinks: FromUplinks,
    publisher: Publisher,
    lease: Arc<Lease>,
    tally: Arc<MachineTally>,
}

impl DirectorDatapath {
    /// Opens the rails and starts the threads, with an empty table and no lease. `events` is called by the threads.
    pub fn start(config: DirectorConfig, events: Events) -> Result<Self, StartError> {
        let header = own_header(&config.rails.cluster);
        let rails = open_both(&config.rails, header)?;
        let recorder = config.recorder.as_deref().map(Recorder::open).transpose()?.map(Arc::new);
        let ports = Box::new(KernelPorts);
        let parts = Parts { rails, ports, clock: Clock::Monotonic, recorder, events: Arc::new(events) };
        let assembly = assemble(&config.rails, header, parts)?;
        let waiting = |source| StartError::Wait { source };
        let (rails, edges) = (Arc::new(Epoll::new().map_err(waiting)?), Arc::new(Epoll::new().map_err(waiting)?));
        for rail in Rail::ALL {
            watch(&rails, assembly.from_rails.side.fd(rail), RAIL + rail.index() as u64).map_err(waiting)?;
        }
        let Assembly { from_rails, from_uplinks, publisher, lease, tally } = assembly;
        let mut threads = Threads::new(publisher.exchange());
        threads.spawn("from-rails", 0, rails, config.rails.hello_interval, from_rails)?;
        threads.spawn("from-uplinks", 1, Arc::clone(&edges), config.rails.hello_interval, from_uplinks)?;
        Ok(Self { _threads: threads, publisher, lease, tally, edges })
    }

    /// Puts a table in force: opens and closes ports, swaps, and waits until both threads use it (normally below 1 ms).
    /// What cannot be done of it is reported; the rest is in force.
    pub fn publish(&self, table: DirectorTable) -> PublishReport {
        let mut problems = Vec::new();
        let new_ports = self.publisher.publish(table, &mut problems);
        if let Err(time) = self.publisher.wait_adopted() {
            problems.push(Problem::NotAdopted(time));
        }
        for port in new_ports {
            if let Err(source) = watch(&self.edges, port.uplink.fd(), port.token) {
                let source = crate::error::EdgeError::Watch { what: port.device, source };
                problems.push(Problem::Port { lan: port.lan, source });
            }
        }
        PublishReport { problems }
    }

    /// A lease was granted. Call it only when the state that the leader had when it granted is published: a lease says
    /// that this director may carry what its table says.
    pub fn extend_lease(&self, grant: Grant) {
        self.lease.extend(grant);
        self.publisher.exchange().wake();
    }

    /// Stops carrying at once.
    pub fn end_lease(&self) {
        self.lease.end();
    }

    /// Whether frames are carried at this moment.
    pub fn carrying(&self) -> bool {
        self.lease.check(monotonic_ns()).is_ok()
    }

    pub fn paths(&self) -> Vec<PathState> {
        self.publisher.current().peers.states()
    }

    pub fn counters(&self) -> Counters {
        let table = self.publisher.current();
        self.tally.snapshot(table.adapters().iter().map(|it| (it.id, &it.tally)))
    }
}

fn assemble(config: &RailsConfig, header: twinrail_proto::rail::Header, parts: Parts) -> Result<Assembly, StartError> {
    let Parts { rails, ports, clock, recorder, events } = parts;
    let tally = Arc::<MachineTally>::default();
    let lease = Arc::<Lease>::default();
    let exchange = Exchange::new(Forwarding::default()).map_err(|source| StartError::Wait { source })?;
    let [RailEnds { receiver: a, senders: [a0, a1] }, RailEnds { receiver: b, senders: [b0, b1] }] = rails;
    let hellos = Hellos { interval: config.hello_interval, missed: config.missed_hellos, events: Arc::clone(&events) };
    let from_rails = FromRails {
        adopted: Adopted::new(Arc::clone(&exchange), 0),
        side: RailSide::new(header, [a, b], [a0, b0], hellos, Arc::clone(&tally)),
        uplinks: UplinkQueues::new(recorder.clone(), Recorded::ToLan, Arc::clone(&tally)),
        gate: Gate::new(Arc::clone(&lease), clock.clone()),
        tally: Arc::clone(&tally),
        events: Arc::clone(&events),
        records: Vec::with_capacity(256),
    };
    let from_uplinks = FromUplinks::new(
        Adopted::new(Arc::clone(&exchange), 1),
        crate::outbox::Outbox::new(header, [a1, b1], Arc::clone(&tally)),
        UplinkQueues::new(recorder.clone(), Recorded::Announced, Arc::clone(&tally)),
        Gate::new(Arc::clone(&lease), clock),
        (Arc::clone(&tally), events),
    );
    let publisher = Publisher::new(exchange, ports, recorder);
    Ok(Assembly { from_rails, from_uplinks, publisher, lease, tally })
}
