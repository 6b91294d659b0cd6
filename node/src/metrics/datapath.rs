use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use twinrail_datapath::{Counters, Machine, PathState};

use super::{Families, Labels};

/// What both kinds of machine count in their datapath: drops by cause, traffic by adapter, paths.
pub struct DatapathMetrics<F> {
    read: F,
}

impl<F: Fn() -> (Counters, Vec<PathState>) + Send + Sync + 'static> DatapathMetrics<F> {
    pub fn new(read: F) -> Self {
        Self { read }
    }
}

impl<F> fmt::Debug for DatapathMetrics<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatapathMetrics")
    }
}

impl<F: Fn() -> (Counters, Vec<PathState>) + Send + Sync + 'static> Collector for DatapathMetrics<F> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (counters, paths) = (self.read)();
        let mut families = Families::new(&mut encoder);
        let drops = counters.drops.iter().map(|(cause, &count)| (vec![("cause", cause.name().to_owned())], count));
        families.counters("frames_dropped", "Frames and rail messages dropped, by cause", drops)?;
        families.counters(
            "frames",
            "Frames by adapter and direction; a super-frame counts as one",
            traffic(&counters, |it| it.0),
        )?;
        families.counters("octets", "Octets of frames by adapter and direction", traffic(&counters, |it| it.1))?;
        let by_adapter = counters.adapters.iter().flat_map(|(adapter, it)| {
            let rows = it.drops.iter();
            rows.map(move |(cause, &count)| {
                (vec![("adapter", adapter.to_string()), ("cause", cause.name().to_owned())], count)
            })
        });
        families.counters("adapter_frames_dropped", "Frames dropped by adapter and cause", by_adapter)?;
        let messages = [
            ("sent", counters.messages_sent),
            ("received", counters.messages_received),
            ("fragmented", counters.messages_fragmented),
        ];
        let messages = messages.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        families.counters("rail_messages", "Rail messages", messages)?;
        let up = paths.iter().map(|path| (path_labels(path), if path.up { 1.0 } else { 0.0 }));
        families.gauges("path_up", "Whether the path to a peer on a rail is up", up)
    }
}

fn traffic(counters: &Counters, pick: fn((u64, u64)) -> u64) -> Vec<(Labels, u64)> {
    let mut rows = Vec::new();
    for (adapter, it) in &counters.adapters {
        for (direction, traffic) in [("from_server", it.from_server), ("to_server", it.to_server)] {
            let labels = vec![("adapter", adapter.to_string()), ("direction", direction.to_owned())];
            rows.push((labels, pick((traffic.frames, traffic.octets))));
        }
    }
    rows
}

fn path_labels(path: &PathState) -> Labels {
    let peer = match &path.peer {
        Machine::Director(name) => format!("directors/{name}"),
        Machine::Server(name) => format!("servers/{name}"),
    };
    vec![("peer", peer), ("rail", path.rail.to_string())]
}
