//! A server's datapath: devices ⇄ rails.
//!
//! ```text
//!    eth0 (TAP) ═╗                                        ╔═ rail A ══ directors
//!    eth1 (TAP) ═╬▶ thread "from devices" ─ home, rail ─▶╬═ rail B ══
//!                ╚◀ thread "from rails" ◀ home? epoch? ──╝
//!                             ▲ table, swapped ▲
//!                                 publish            (control plane)
//! ```
//!
//! Guarantees:
//! * A frame is delivered only when it comes from the adapter's home with the adapter's epoch. Older and newer epochs are
//!   dropped and counted.
//! * A device lives as long as its adapter is in the table: changes of home and epoch do not touch it.
//! * When [`ServerDatapath::publish`] returns, no thread uses an older table, devices that left it are gone, and new ones
//!   are there.
//! * Both rails carry load; while one path to the home is down, everything goes by the other.

mod forwarding;
mod from_devices;
mod from_rails;
mod publisher;
mod ready;
mod reaper;
mod stepped;
mod table;

use std::sync::Arc;

use twinrail_datapath_sys::Epoll;
use twinrail_proto::domain::Rail;
use twinrail_proto::rail::Header;

pub use stepped::SteppedServer;
pub use table::{ServerAdapter, ServerTable};

use crate::clock::Clock;
use crate::config::{RailsConfig, ServerConfig};
use crate::counters::{Counters, MachineTally};
use crate::driver::{RAIL, Threads, watch};
use crate::edge::Devices;
use crate::edge::kernel::KernelDevices;
use crate::error::{EdgeError, Problem, StartError};
use crate::event::Events;
use crate::exchange::{Adopted, Exchange};
use crate::outbox::Outbox;
use crate::peer::PathState;
use crate::rail::{RailEnds, open_both};
use crate::rail_side::{Hellos, RailSide, own_header};
use crate::recorder::Recorder;
use crate::report::PublishReport;
use forwarding::Forwarding;
use from_devices::FromDevices;
use from_rails::FromRails;
use publisher::Publisher;

/// A running datapath. Dropping it says goodbye to the directors, stops and joins the threads, and removes the devices.
pub struct ServerDatapath {
    /// First, so that the threads end before what they use goes.
    _threads: Threads<Forwarding>,
    publisher: Publisher,
    tally: Arc<MachineTally>,
    edges: Arc<Epoll>,
}

/// What an engine is made of, whoever runs it.
struct Parts {
    rails: [RailEnds; 2],
    devices: Box<dyn Devices>,
    clock: Clock,
    recorder: Option<Arc<Recorder>>,
    events: Arc<Events>,
    threaded: bool,
}

struct Assembly {
    from_rails: FromRails,
    from_devices: FromDevices,
    publisher: Publisher,
    tally: Arc<MachineTally>,
}

impl ServerDatapath {
    /// Opens the rails and starts the threads, with an empty table. `events` is called by the threads.
    pub fn start(config: ServerConfig, events: Events) -> Result<Self, StartError> {
        let header = own_header(&config.rails.cluster);
        let rails = open_both(&config.rails, header)?;
        let recorder = config.recorder.as_deref().map(Recorder::open).transpose()?.map(Arc::new);
        let (devices, events) = (Box::new(KernelDevices), Arc::new(events));
        let parts = Parts { rails, devices, clock: Clock::Monotonic, recorder, events, threaded: true };
        let Assembly { from_rails, mut from_devices, publisher, tally } = assemble(&config.rails, header, parts)?;
        let waiting = |source| StartError::Wait { source };
        let (rails, edges) = (Arc::new(Epoll::new().map_err(waiting)?), Arc::new(Epoll::new().map_err(waiting)?));
        for rail in Rail::ALL {
            watch(&rails, from_rails.side.fd(rail), RAIL + rail.index() as u64).map_err(waiting)?;
        }
        from_devices.set_wait(Arc::clone(&edges));
        let mut threads = Threads::new(publisher.exchange());
        threads.spawn("from-rails", 0, rails, config.rails.hello_interval, from_rails)?;
        threads.spawn("from-devices", 1, Arc::clone(&edges), config.rails.hello_interval, from_devices)?;
        Ok(Self { _threads: threads, publisher, tally, edges })
    }

    /// Puts a table in force: removes and makes devices in the network namespace of the calling thread, swaps, and waits
    /// until both threads use it. What cannot be done of it is reported; the rest is in force.
    pub fn publish(&self, table: ServerTable) -> PublishReport {
        let mut problems = Vec::new();
        for new in self.publisher.publish(table, &mut problems) {
            if let Err(source) = watch(&self.edges, new.device.fd(), new.token) {
                let source = EdgeError::Watch { what: new.name, source };
                problems.push(Problem::Device { adapter: new.adapter, source });
            }
        }
        PublishReport { problems }
    }

    pub fn paths(&self) -> Vec<PathState> {
        self.publisher.current().peers.states()
    }

    pub fn counters(&self) -> Counters {
        let table = self.publisher.current();
        self.tally.snapshot(table.adapters().iter().map(|it| (it.id, &it.tally)))
    }
}

fn assemble(config: &RailsConfig, header: Header, parts: Parts) -> Result<Assembly, StartError> {
    let Parts { rails, devices, clock, recorder, events, threaded } = parts;
    let tally = Arc::<MachineTally>::default();
    let exchange = Exchange::new(Forwarding::default()).map_err(|source| StartError::Wait { source })?;
    let [RailEnds { receiver: a, senders: [a0, a1] }, RailEnds { receiver: b, senders: [b0, b1] }] = rails;
    let hellos = Hellos { interval: config.hello_interval, missed: config.missed_hellos, events: Arc::clone(&events) };
    let from_rails = FromRails {
        adopted: Adopted::new(Arc::clone(&exchange), 0),
        side: RailSide::new(header, [a, b], [a0, b0], hellos, Arc::clone(&tally)),
        tally: Arc::clone(&tally),
        recorder: recorder.clone(),
        clock,
        records: Vec::with_capacity(256),
    };
    let outbox = Outbox::new(header, [a1, b1], Arc::clone(&tally));
    let adopted = Adopted::new(Arc::clone(&exchange), 1);
    let from_devices = FromDevices::new(adopted, outbox, Arc::clone(&tally), events);
    let publisher = Publisher::new(exchange, devices, recorder, threaded);
    Ok(Assembly { from_rails, from_devices, publisher, tally })
}
