//! Nothing is larger than its limit.

use twinrail_proto::domain::{MAX_ADAPTERS_PER_PROFILE, MAX_DIRECTORS, PoolRanges};

use crate::state::State;
use crate::state::limits::*;

pub(super) fn check(state: &State) -> Vec<String> {
    let record = &state.record;
    let sizes = [
        ("directors", record.directors.len(), MAX_DIRECTORS),
        ("ids of removed directors", record.retired_directors.len(), MAX_DIRECTOR_IDS),
        ("servers", record.servers.len(), MAX_SERVERS),
        ("LANs", record.lans.len(), MAX_LANS),
        ("SANs", record.sans.len(), MAX_SANS),
        ("pools", record.pools.len(), MAX_POOLS),
        ("QoS policies", record.qos_policies.len(), MAX_QOS_POLICIES),
        ("templates", record.templates.len(), MAX_TEMPLATES),
        ("profiles", record.profiles.len(), MAX_PROFILES),
        ("failovers", record.failovers.len(), MAX_FAILOVERS),
        ("resting MACs", record.quarantined_macs.len(), MAX_QUARANTINED),
        ("resting WWNs", record.quarantined_wwns.len(), MAX_QUARANTINED),
        ("answers", record.answers.len(), MAX_ANSWERS),
        ("audit entries", record.audit.len(), MAX_AUDIT_ENTRIES),
        ("adapters of a profile", largest_profile(state), MAX_ADAPTERS_PER_PROFILE),
        ("ranges of a pool", largest_pool(state), MAX_RANGES_PER_POOL),
    ];
    let over = sizes.into_iter().filter(|(_, size, limit)| size > limit);
    over.map(|(what, size, limit)| format!("{size} {what}, the limit is {limit}")).collect()
}

fn largest_profile(state: &State) -> usize {
    let profiles = state.profiles().values().map(|versioned| &versioned.value);
    profiles.map(|profile| profile.vnics.len() + profile.vhbas.len()).max().unwrap_or(0)
}

fn largest_pool(state: &State) -> usize {
    let pools = state.pools().values().map(|pool| match &pool.value.ranges {
        PoolRanges::Mac(ranges) => ranges.len(),
        PoolRanges::Wwn(ranges) => ranges.len(),
    });
    pools.max().unwrap_or(0)
}
