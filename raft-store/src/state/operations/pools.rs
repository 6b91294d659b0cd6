//! Pools: ranges of identities, none of which overlap, and which keep what was drawn from them.

use twinrail_proto::domain::{
    AdapterKind, MacAddress, MacSource, Name, Pool, PoolRanges, Profile, Revision, Wwn, WwnSource,
};

use super::checks::invalid;
use crate::state::Rejection;
use crate::state::draft::{Draft, adapter_path};
use crate::state::identity::Identity;
use crate::state::kept::Kept;
use crate::state::limits::{MAX_QUARANTINE_SECONDS, MAX_RANGES_PER_POOL};

pub(super) fn create(draft: &mut Draft<'_>, pool: &Pool) -> Result<(), Rejection> {
    check(draft, pool)?;
    draft.create(pool.clone())
}

pub(super) fn update(draft: &mut Draft<'_>, pool: &Pool, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Pool>(&pool.name, if_match)?;
    check(draft, pool)?;
    match (&draft.require::<Pool>(&pool.name)?.ranges, &pool.ranges) {
        (PoolRanges::Mac(_), PoolRanges::Mac(ranges)) => check_macs_kept(draft, &pool.name, ranges)?,
        (PoolRanges::Wwn(_), PoolRanges::Wwn(ranges)) => check_wwns_kept(draft, &pool.name, ranges)?,
        (present, _) => {
            let present = if matches!(present, PoolRanges::Mac(_)) { "of MACs" } else { "of WWNs" };
            let (field, present) = ("pool.ranges".to_owned(), present.to_owned());
            return Err(Rejection::Immutable { field, key: Pool::key(&pool.name), present });
        }
    }
    draft.put(pool.clone());
    Ok(())
}

fn check(draft: &Draft<'_>, pool: &Pool) -> Result<(), Rejection> {
    if pool.quarantine_seconds > MAX_QUARANTINE_SECONDS {
        let problem =
            format!("{} is too long; at most {MAX_QUARANTINE_SECONDS} s are allowed", pool.quarantine_seconds);
        return Err(invalid("pool.quarantine_seconds", problem));
    }
    let others = || draft.all::<Pool>().filter(|other| other.name != pool.name);
    match &pool.ranges {
        PoolRanges::Mac(ranges) => {
            check_ranges(ranges)?;
            let others = others().filter_map(|other| match &other.ranges {
                PoolRanges::Mac(ranges) => Some((&other.name, ranges.as_slice())),
                PoolRanges::Wwn(_) => None,
            });
            check_apart(ranges, others)
        }
        PoolRanges::Wwn(ranges) => {
            check_ranges(ranges)?;
            let others = others().filter_map(|other| match &other.ranges {
                PoolRanges::Wwn(ranges) => Some((&other.name, ranges.as_slice())),
                PoolRanges::Mac(_) => None,
            });
            check_apart(ranges, others)
        }
    }
}

fn check_ranges<I: Identity>(ranges: &[(I, I)]) -> Result<(), Rejection> {
    if ranges.is_empty() {
        return Err(invalid("pool.ranges", "a pool needs at least one range"));
    }
    if ranges.len() > MAX_RANGES_PER_POOL {
        let (field, what) = (Some("pool.ranges".to_owned()), "ranges of one pool".to_owned());
        return Err(Rejection::LimitReached { field, what, limit: MAX_RANGES_PER_POOL });
    }
    for (position, &(first, last)) in ranges.iter().enumerate() {
        let bad = |problem: String| Err(invalid(&field(position), problem));
        if first > last {
            return bad(format!("{first} is above {last}; write the lower end first"));
        }
        let family = |identity: I| identity.number() >> I::FAMILY_SHIFT;
        if family(first) != family(last) {
            return bad(format!("{first} and {last} differ in their {}; a range keeps to one", I::FAMILY));
        }
        if let Some(earlier) = ranges[..position].iter().position(|&earlier| overlap(earlier, (first, last))) {
            return bad(format!("overlaps {}", field(earlier)));
        }
    }
    Ok(())
}

fn field(position: usize) -> String {
    format!("pool.ranges[{position}]")
}

fn overlap<I: Ord>(one: (I, I), other: (I, I)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}

fn check_apart<'p, I: Identity + 'p>(
    ranges: &[(I, I)],
    others: impl Iterator<Item = (&'p Name, &'p [(I, I)])>,
) -> Result<(), Rejection> {
    for (other, taken) in others {
        let clash = ranges.iter().position(|&range| taken.iter().any(|&taken| overlap(range, taken)));
        if let Some(position) = clash {
            let (first, last) = ranges[position];
            let (field, range) = (field(position), format!("{first}-{last}"));
            return Err(Rejection::PoolsOverlap { field, range, other: other.clone() });
        }
    }
    Ok(())
}

/// The range that holds this identity.
pub(in crate::state) fn range_holding<I: Identity>(ranges: &[(I, I)], identity: I) -> Option<(I, I)> {
    ranges.iter().copied().find(|&(first, last)| first <= identity && identity <= last)
}

fn check_macs_kept(draft: &Draft<'_>, pool: &Name, ranges: &[(MacAddress, MacAddress)]) -> Result<(), Rejection> {
    for profile in draft.all::<Profile>() {
        let drawn = profile.vnics.values().filter(|it| matches!(&it.mac_source, MacSource::Pool(from) if from == pool));
        for vnic in drawn {
            let holder = || adapter_path(&profile.name, AdapterKind::Vnic, &vnic.name);
            check_kept(pool, ranges, vnic.mac, holder)?;
        }
    }
    Ok(())
}

fn check_wwns_kept(draft: &Draft<'_>, pool: &Name, ranges: &[(Wwn, Wwn)]) -> Result<(), Rejection> {
    for profile in draft.all::<Profile>() {
        let drawn = profile.vhbas.values().filter(|it| matches!(&it.wwn_source, WwnSource::Pool(from) if from == pool));
        for vhba in drawn {
            let holder = || adapter_path(&profile.name, AdapterKind::Vhba, &vhba.name);
            check_kept(pool, ranges, vhba.wwpn, holder)?;
            check_kept(pool, ranges, vhba.wwnn, holder)?;
        }
    }
    Ok(())
}

fn check_kept<I: Identity>(
    pool: &Name,
    ranges: &[(I, I)],
    identity: I,
    holder: impl Fn() -> String,
) -> Result<(), Rejection> {
    match range_holding(ranges, identity) {
        Some(_) => Ok(()),
        None => Err(Rejection::RangeInUse { pool: pool.clone(), identity: identity.to_string(), holder: holder() }),
    }
}
