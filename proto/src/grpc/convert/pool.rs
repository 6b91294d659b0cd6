use std::fmt::Display;
use std::str::FromStr;

use prost_types::Duration;

use crate::domain::{MacAddress, Name, Pool, PoolRanges, ResourceKind, Wwn};
use crate::grpc::v1;

use super::{Path, Problems, Stamp, etag, resource_name, timestamp};

/// How long a released identity rests unless the pool says otherwise: longer than ARP caches, switch tables and DHCP
/// clients of its last owner remember it.
pub const DEFAULT_QUARANTINE_SECONDS: u64 = 600;

pub fn write_pool(pool: &Pool, stamp: Stamp) -> v1::Pool {
    let Pool { name, ranges, quarantine_seconds } = pool;
    v1::Pool {
        name: resource_name(ResourceKind::Pool, name),
        ranges: Some(write_ranges(ranges)),
        quarantine: Some(super::duration(std::time::Duration::from_secs(*quarantine_seconds))),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_pool(message: v1::Pool, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Pool> {
    let v1::Pool { name: _, ranges, quarantine, etag: _, create_time: _, update_time: _ } = message;
    let ranges = read_ranges(ranges, at, problems);
    let quarantine_seconds = read_quarantine(quarantine, &at.field("quarantine"), problems);
    Some(Pool { name, ranges: ranges?, quarantine_seconds: quarantine_seconds? })
}

fn write_ranges(ranges: &PoolRanges) -> v1::pool::Ranges {
    match ranges {
        PoolRanges::Mac(ranges) => {
            let text = |(first, last): &(MacAddress, MacAddress)| v1::MacRange {
                first: first.to_string(),
                last: last.to_string(),
            };
            v1::pool::Ranges::Mac(v1::MacRanges { ranges: ranges.iter().map(text).collect() })
        }
        PoolRanges::Wwn(ranges) => {
            let text = |(first, last): &(Wwn, Wwn)| v1::WwnRange { first: first.to_string(), last: last.to_string() };
            v1::pool::Ranges::Wwn(v1::WwnRanges { ranges: ranges.iter().map(text).collect() })
        }
    }
}

fn read_ranges(ranges: Option<v1::pool::Ranges>, at: &Path<'_>, problems: &mut Problems) -> Option<PoolRanges> {
    match ranges {
        Some(v1::pool::Ranges::Mac(v1::MacRanges { ranges })) => {
            let ends = ranges.into_iter().map(|v1::MacRange { first, last }| (first, last));
            read_ends(ends, &at.field("mac"), problems).map(PoolRanges::Mac)
        }
        Some(v1::pool::Ranges::Wwn(v1::WwnRanges { ranges })) => {
            let ends = ranges.into_iter().map(|v1::WwnRange { first, last }| (first, last));
            read_ends(ends, &at.field("wwn"), problems).map(PoolRanges::Wwn)
        }
        None => {
            problems.add(&at.field("mac"), "a pool needs ranges, of MACs (mac) or of world-wide names (wwn)");
            None
        }
    }
}

fn read_ends<T>(
    ends: impl Iterator<Item = (String, String)>,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<Vec<(T, T)>>
where
    T: FromStr + PartialOrd + Display,
    T::Err: Display,
{
    let at = at.field("ranges");
    let mut ranges = Some(Vec::new());
    for (i, (first, last)) in ends.enumerate() {
        let at = at.index(i);
        let first = problems.check(&at.field("first"), first.parse::<T>());
        let last = problems.check(&at.field("last"), last.parse::<T>());
        let range = first.zip(last);
        if let Some((first, last)) = &range
            && first > last
        {
            problems.add(&at, format!("the range ends ({last}) before it begins ({first})"));
        }
        ranges = ranges.zip(range).map(|(mut ranges, range)| {
            ranges.push(range);
            ranges
        });
    }
    ranges
}

fn read_quarantine(quarantine: Option<Duration>, at: &Path<'_>, problems: &mut Problems) -> Option<u64> {
    let Some(Duration { seconds, nanos }) = quarantine else {
        return Some(DEFAULT_QUARANTINE_SECONDS);
    };
    match u64::try_from(seconds) {
        Ok(seconds) if nanos == 0 => Some(seconds),
        _ => {
            problems.add(at, "expected whole seconds, 0 or more");
            None
        }
    }
}
