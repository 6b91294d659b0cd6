use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use twinrail_proto::domain::AdapterId;

use super::Facts;
use crate::director::core::SharedCore;
use crate::metrics::{Families, Labels};

/// What a director tells Prometheus of the vHBAs of which it is the home, since they came to it.
pub struct VhbaMetrics {
    pub core: SharedCore,
}

impl fmt::Debug for VhbaMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VhbaMetrics")
    }
}

impl Collector for VhbaMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let facts = self.core.vhbas.facts();
        let mut families = Families::new(&mut encoder);
        let of = |pick: fn(&Facts) -> u64| rows(&facts, pick);
        families.counters("vhba_commands", "Commands given to the SAN", of(|it| it.counters.commands))?;
        families.counters("vhba_read_octets", "Octets read from the SAN", of(|it| it.counters.read_octets))?;
        families.counters("vhba_written_octets", "Octets written to the SAN", of(|it| it.counters.written_octets))?;
        families.counters("vhba_logins", "Logins that the SAN answered", of(|it| it.logins))?;
        families.counters("vhba_sessions_lost", "Sessions at the SAN that were lost", of(|it| it.sessions_lost))?;
        let gauge = |pick: fn(&Facts) -> u64| of(pick).into_iter().map(|(labels, value)| (labels, value as f64));
        families.gauges("vhba_commands_held", "Commands held for the server now", gauge(|it| it.held))?;
        families.gauges("vhba_admitted", "1 where the server's commands pass", gauge(|it| u64::from(it.admitted)))
    }
}

fn rows(facts: &BTreeMap<AdapterId, Facts>, pick: fn(&Facts) -> u64) -> Vec<(Labels, u64)> {
    facts.iter().map(|(adapter, it)| (vec![("adapter", adapter.to_string())], pick(it))).collect()
}
