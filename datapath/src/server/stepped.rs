use std::sync::Arc;

use twinrail_proto::domain::Rail;

use super::table::ServerTable;
use super::{Assembly, Parts, assemble};
use crate::clock::Clock;
use crate::config::RailsConfig;
use crate::counters::Counters;
use crate::driver::RAIL;
use crate::edge::memory::MemoryEdges;
use crate::error::StartError;
use crate::event::Events;
use crate::peer::PathState;
use crate::rail::{Nanos, RailEnds};
use crate::rail_side::own_header;
use crate::report::PublishReport;
use crate::step::turn;

/// The same engines without threads and without a kernel: on rails and devices in memory, run turn by turn by a
/// simulation, on its clock.
pub struct SteppedServer {
    assembly: Assembly,
    clock: Clock,
    next_tick: Nanos,
    interval: Nanos,
}

impl SteppedServer {
    pub fn new(
        config: &RailsConfig,
        rails: [RailEnds; 2],
        devices: MemoryEdges,
        clock: Clock,
        events: Events,
    ) -> Result<Self, StartError> {
        let (devices, events) = (Box::new(devices), Arc::new(events));
        let parts = Parts { rails, devices, clock: clock.clone(), recorder: None, events, threaded: false };
        let assembly = assemble(config, own_header(&config.cluster), parts)?;
        Ok(Self { assembly, clock, next_tick: 0, interval: config.hello_interval.as_nanos() as Nanos })
    }

    /// One turn of both threads.
    pub fn turn(&mut self) {
        let now = self.clock.now();
        let tick = now >= self.next_tick;
        if tick {
            self.next_tick = now + self.interval;
        }
        let Assembly { from_rails, from_devices, publisher, .. } = &mut self.assembly;
        turn(from_rails, Rail::ALL.map(|it| RAIL + it.index() as u64).into_iter(), tick, now);
        let devices: Vec<u64> = publisher.current().adapters().iter().map(|it| it.token()).collect();
        turn(from_devices, devices.into_iter(), tick, now);
    }

    pub fn publish(&self, table: ServerTable) -> PublishReport {
        let mut problems = Vec::new();
        self.assembly.publisher.publish(table, &mut problems);
        PublishReport { problems }
    }

    pub fn paths(&self) -> Vec<PathState> {
        self.assembly.publisher.current().peers.states()
    }

    pub fn counters(&self) -> Counters {
        let table = self.assembly.publisher.current();
        self.assembly.tally.snapshot(table.adapters().iter().map(|it| (it.id, &it.tally)))
    }
}
