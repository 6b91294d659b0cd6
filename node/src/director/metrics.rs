//! What a director tells Prometheus beside its datapath.

use std::fmt;

use openraft::async_runtime::WatchReceiver;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::net::TcpListener;

use super::core::SharedCore;
use super::vhba::VhbaMetrics;
use crate::metrics::{DatapathMetrics, Families};

pub async fn serve(core: SharedCore, listener: TcpListener) {
    let datapath = core.datapath.clone();
    let datapath = DatapathMetrics::new(move || (datapath.counters(), datapath.paths()));
    let vhbas = VhbaMetrics { core: core.clone() };
    let collectors: Vec<Box<dyn Collector>> =
        vec![Box::new(DirectorMetrics { core }), Box::new(datapath), Box::new(vhbas)];
    crate::metrics::serve(listener, collectors).await;
}

struct DirectorMetrics {
    core: SharedCore,
}

impl fmt::Debug for DirectorMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectorMetrics")
    }
}

impl Collector for DirectorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let core = &self.core;
        let mut families = Families::new(&mut encoder);
        let lease = core.leases.own_lease_left().map_or(0.0, |left| left.as_secs_f64());
        let log = core.raft.metrics().borrow_watched().last_log_index.unwrap_or(0);
        let store = core.store.view();
        families.gauge("leader", "1 where this director leads", if core.leads() { 1.0 } else { 0.0 })?;
        families.gauge("term", "Raft's term", core.term() as f64)?;
        families.gauge("log_index", "The last entry of the Raft log", log as f64)?;
        families.gauge("applied_revision", "The last applied revision", core.state.applied().borrow().0 as f64)?;
        families.gauge("lease_seconds", "For how long this director may still carry", lease)?;
        families.gauge("adapters_carried", "Adapters that this director carries", core.carriage.count() as f64)?;
        let store = [
            ("batches", store.batches),
            ("entries", store.entries),
            ("bytes", store.bytes),
            ("disk_reads", store.disk_reads),
            ("snapshots_built", store.snapshots_built),
            ("snapshots_installed", store.snapshots_installed),
        ];
        let store = store.map(|(what, count)| (vec![("what", what.to_owned())], count));
        families.counters("store", "What the store has written and read", store)
    }
}
