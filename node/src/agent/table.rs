//! From what the agent follows to what this server's datapath enforces.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_datapath::{Peer, ServerAdapter, ServerTable};
use twinrail_failover::agent::Agent;
use twinrail_proto::domain::{AdapterId, Name, RailAddresses};

use super::words::Device;

pub fn server_table(
    agent: &Agent,
    directors: &BTreeMap<Name, RailAddresses>,
    devices: &BTreeMap<AdapterId, Device>,
) -> ServerTable {
    let waiting: BTreeSet<AdapterId> = agent.waiting().collect();
    let adapters = agent.routes().filter_map(|(id, route)| {
        let device = devices.get(&id)?;
        Some(ServerAdapter {
            id,
            epoch: route.epoch,
            mac: device.mac,
            mtu: device.mtu,
            name: device.name.clone(),
            home: route.home.clone(),
            paused: waiting.contains(&id),
        })
    });
    let directors = directors.iter().map(|(name, &rails)| Peer { name: name.clone(), rails });
    ServerTable { directors: directors.collect(), adapters: adapters.collect() }
}
