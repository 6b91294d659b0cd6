//! A lease has one holder: no two directors hold one for an adapter at the same epoch, and who is cut off from a quorum loses his, and
//! then sends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_datapath::Recorded;

use super::{Finding, Invariant, Violation};
use crate::measure::clock::{Nanos, nanos};
use crate::nemesis::evidence::{Evidence, Round};

/// The product's default (`lease_ms`).
const LEASE: Duration = Duration::from_millis(1_500);
/// A lease that was asked for just before the cut is granted just after it; and the answer that tells of it takes its time.
const SLACK: Duration = Duration::from_millis(500);

pub struct OneLease;

impl Invariant for OneLease {
    fn name(&self) -> &'static str {
        "one-lease"
    }

    fn means(&self) -> &'static str {
        "no two directors hold a lease on an adapter at the same epoch, and one that is cut off from a quorum has none after the \
         lease's time (1.5 s), and sends no frame to the LAN then"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let cut_off = seen.rounds.iter().flat_map(|round| round.struck.cut_off.iter().map(move |it| (round, it)));
        let stretches: Vec<(String, Nanos, Nanos)> =
            cut_off.filter_map(|(round, name)| without_lease(round).map(|(a, b)| (name.clone(), a, b))).collect();
        let kept = stretches.iter().flat_map(|it| [holds(seen, it), sends(seen, it)]).flatten();
        let violations: Vec<Violation> = kept.chain(shared(seen)).collect();
        let leases = seen.observed.pulses.iter().filter(|it| it.lease_left.is_some()).count();
        let looked_at = format!("{leases} leases told, {} directors cut off for longer than one", stretches.len());
        Finding::new(looked_at, leases > 0, violations)
    }
}

/// From when until when a director that was cut off has no lease; None: it was not for long enough.
fn without_lease(round: &Round) -> Option<(Nanos, Nanos)> {
    let from = round.inflicted + nanos(LEASE + SLACK);
    (from < round.healing).then_some((from, round.healing))
}

fn holds(seen: &Evidence, (director, from, to): &(String, Nanos, Nanos)) -> Option<Violation> {
    let within = |at: Nanos| (*from..*to).contains(&at);
    let pulses = seen.observed.pulses.iter().filter(|it| it.director == *director && within(it.from) && within(it.to));
    let held = pulses.filter_map(|it| it.lease_left.filter(|left| !left.is_zero()).map(|left| (it.from, left)));
    let (at, left) = held.min()?;
    Some(Violation::at(at, format!("{director} is cut off and has a lease for {} ms more", left.as_millis())))
}

fn sends(seen: &Evidence, (director, from, to): &(String, Nanos, Nanos)) -> Option<Violation> {
    let records = seen.flights.get(director)?.iter().filter(|it| it.what != Recorded::ToDevice);
    let late = records.filter(|it| (*from..*to).contains(&it.last_ns)).max_by_key(|it| it.last_ns)?;
    let (adapter, after) = (late.adapter, (late.last_ns - from) / 1_000_000);
    Some(Violation::at(late.last_ns, format!("{director} sent for {adapter:?}, {after} ms after its lease had ended")))
}

/// Two directors each of which says that it is the home of an adapter at one epoch, and has a lease.
fn shared(seen: &Evidence) -> Vec<Violation> {
    let mut holders: BTreeMap<(&str, u64), BTreeSet<&str>> = BTreeMap::new();
    for home in seen.observed.sightings.iter().filter(|it| it.home == it.director) {
        let mut pulses = seen.observed.pulses.iter().filter(|it| it.director == home.director && it.from >= home.at);
        if pulses.any(|it| it.lease_left.is_some()) {
            holders.entry((&home.adapter, home.epoch)).or_default().insert(&home.director);
        }
    }
    let several = holders.into_iter().filter(|it| it.1.len() > 1);
    several.map(|((adapter, epoch), who)| Violation::sometime(format!("{adapter} at epoch {epoch}: {who:?}"))).collect()
}
