//! Pools of one kind do not overlap, and hold every identity that was drawn from them.

use twinrail_proto::domain::{MacSource, Name, PoolRanges, WwnSource};

use crate::state::State;
use crate::state::identity::Identity;
use crate::state::operations::range_holding;

pub(super) fn check(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut macs, mut wwns) = (Vec::new(), Vec::new());
    for pool in state.pools().values().map(|versioned| &versioned.value) {
        match &pool.ranges {
            PoolRanges::Mac(ranges) => macs.extend(numbers(&pool.name, ranges)),
            PoolRanges::Wwn(ranges) => wwns.extend(numbers(&pool.name, ranges)),
        }
    }
    problems.extend(overlaps(macs));
    problems.extend(overlaps(wwns));
    problems.extend(strays(state));
    problems
}

fn numbers<'a, I: Identity>(pool: &'a Name, ranges: &'a [(I, I)]) -> impl Iterator<Item = (u64, u64, &'a Name)> {
    ranges.iter().map(move |(first, last)| (first.number(), last.number(), pool))
}

fn overlaps(mut ranges: Vec<(u64, u64, &Name)>) -> Vec<String> {
    ranges.sort();
    let backward =
        ranges.iter().filter(|(first, last, _)| first > last).map(|(_, _, pool)| format!("{pool} is backward"));
    let pairs = ranges.windows(2).filter(|pair| pair[1].0 <= pair[0].1);
    backward.chain(pairs.map(|pair| format!("{} and {} overlap", pair[0].2, pair[1].2))).collect()
}

fn strays(state: &State) -> Vec<String> {
    let ranges = |pool: &Name| state.pools().get(pool).map(|pool| &pool.value.ranges);
    let mut problems = Vec::new();
    for profile in state.profiles().values().map(|versioned| &versioned.value) {
        for vnic in profile.vnics.values() {
            let MacSource::Pool(pool) = &vnic.mac_source else { continue };
            if !matches!(ranges(pool), Some(PoolRanges::Mac(ranges)) if range_holding(ranges, vnic.mac).is_some()) {
                problems.push(format!("{} is not from {pool}", vnic.mac));
            }
        }
        for vhba in profile.vhbas.values() {
            let WwnSource::Pool(pool) = &vhba.wwn_source else { continue };
            for wwn in [vhba.wwpn, vhba.wwnn] {
                if !matches!(ranges(pool), Some(PoolRanges::Wwn(ranges)) if range_holding(ranges, wwn).is_some()) {
                    problems.push(format!("{wwn} is not from {pool}"));
                }
            }
        }
    }
    problems
}
