use std::sync::Arc;

use twinrail_proto::domain::Rail;

use super::table::DirectorTable;
use super::{Assembly, Parts, assemble};
use crate::clock::Clock;
use crate::config::RailsConfig;
use crate::counters::Counters;
use crate::driver::RAIL;
use crate::edge::memory::MemoryEdges;
use crate::error::StartError;
use crate::event::Events;
use crate::lease::Grant;
use crate::peer::PathState;
use crate::rail::{Nanos, RailEnds};
use crate::rail_side::own_header;
use crate::report::PublishReport;
use crate::step::turn;

/// The same engines without threads and without a kernel: on rails and ports in memory, run turn by turn by a simulation,
/// on its clock.
pub struct SteppedDirector {
    assembly: Assembly,
    clock: Clock,
    next_tick: Nanos,
    interval: Nanos,
}

impl SteppedDirector {
    pub fn new(
        config: &RailsConfig,
        rails: [RailEnds; 2],
        ports: MemoryEdges,
        clock: Clock,
        events: Events,
    ) -> Result<Self, StartError> {
        let parts =
            Parts { rails, ports: Box::new(ports), clock: clock.clone(), recorder: None, events: Arc::new(events) };
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
        let Assembly { from_rails, from_uplinks, publisher, .. } = &mut self.assembly;
        let rails = Rail::ALL.map(|it| RAIL + it.index() as u64);
        turn(from_rails, rails.into_iter(), tick, now);
        let ports: Vec<u64> = publisher.current().ports().iter().map(|it| it.token).collect();
        turn(from_uplinks, ports.into_iter(), tick, now);
    }

    pub fn publish(&self, table: DirectorTable) -> PublishReport {
        let mut problems = Vec::new();
        self.assembly.publisher.publish(table, &mut problems);
        PublishReport { problems }
    }

    pub fn extend_lease(&self, grant: Grant) {
        self.assembly.lease.extend(grant);
    }

    pub fn carrying(&self) -> bool {
        self.assembly.lease.check(self.clock.now()).is_ok()
    }

    pub fn paths(&self) -> Vec<PathState> {
        self.assembly.publisher.current().peers.states()
    }

    pub fn counters(&self) -> Counters {
        let table = self.assembly.publisher.current();
        self.assembly.tally.snapshot(table.adapters().iter().map(|it| (it.id, &it.tally)))
    }
}
