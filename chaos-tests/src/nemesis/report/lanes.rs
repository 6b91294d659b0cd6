//! Stretches of time for the timeline: who led, who was the home of each adapter, when clients got no answer. Pure.

use std::collections::BTreeMap;

use crate::measure::clock::{MILLISECOND, Nanos};
use crate::nemesis::evidence::Evidence;
use crate::nemesis::gaps;
use crate::nemesis::history::Answer;
use crate::nemesis::observation::Sighting;

/// Shorter ones of a card could not be seen in the picture, and are what a busy machine makes by itself.
pub const SHOWN_GAP: Nanos = 50 * MILLISECOND;
/// The same of the disk, whose load rests between its turns.
pub const SHOWN_DISK_GAP: Nanos = 200 * MILLISECOND;
/// An API call that takes longer is shown.
pub const SHOWN_CALL: Nanos = 200 * MILLISECOND;
/// Longer without any answer, and nobody knows who led.
const STALE_PULSE: Nanos = 1_500 * MILLISECOND;

/// From when until when, and who or what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: Nanos,
    pub to: Nanos,
    pub what: String,
}

pub struct Lane {
    pub name: String,
    /// Directors, one after the other; empty where the lane has none.
    pub owners: Vec<Stretch>,
    /// Times without an answer.
    pub gaps: Vec<Stretch>,
}

/// The leader, every network card, the disk, the API.
pub fn lanes(seen: &Evidence) -> Vec<Lane> {
    let homes = homes(seen);
    let home = |name: &str| homes.get(name).cloned().unwrap_or_default();
    let mut lanes = vec![Lane { name: "leader".to_owned(), owners: leaders(seen), gaps: Vec::new() }];
    let mut names: Vec<&str> = Vec::new();
    for card in &seen.cards {
        names.push(&card.name);
        let told = gaps::of_prober(&card.events).into_iter().filter(|it| it.length() >= SHOWN_GAP);
        let gaps = told.map(|it| gap(it.from, it.to)).collect();
        lanes.push(Lane { name: format!("card {}", card.name), owners: home(&card.name), gaps });
    }
    // What is no card is the disk.
    for name in homes.keys().filter(|it| !names.contains(&it.as_str())) {
        let told = seen.blocks.gaps.all().iter().filter(|it| it.1 - it.0 >= SHOWN_DISK_GAP);
        let gaps = told.map(|it| gap(it.0, it.1)).collect();
        lanes.push(Lane { name: format!("disk {name}"), owners: home(name), gaps });
    }
    let calls = |name: &String| Lane { name: format!("API by {name}"), owners: Vec::new(), gaps: calls(seen, name) };
    lanes.extend(seen.directors.iter().map(calls));
    lanes
}

fn gap(from: Nanos, to: Nanos) -> Stretch {
    Stretch { from, to, what: format!("no answer for {} ms", (to - from) / MILLISECOND) }
}

/// By the highest term that any director told, at the time at which it did.
fn leaders(seen: &Evidence) -> Vec<Stretch> {
    let mut pulses: Vec<_> = seen.observed.pulses.iter().filter(|it| !it.leader.is_empty()).collect();
    pulses.sort_by_key(|it| it.to);
    let (mut stretches, mut term, mut last): (Vec<Stretch>, _, _) = (Vec::new(), 0, seen.from);
    for it in pulses.into_iter().filter(|it| it.to >= seen.from) {
        if it.term < term {
            continue;
        }
        let fresh = it.to - last < STALE_PULSE;
        match stretches.last_mut().filter(|stretch| stretch.what == it.leader && fresh) {
            Some(stretch) => stretch.to = it.to,
            None => {
                if let Some(before) = stretches.last_mut().filter(|_| fresh) {
                    before.to = it.to;
                }
                stretches.push(Stretch { from: it.from.max(seen.from), to: it.to, what: it.leader.clone() });
            }
        }
        (term, last) = (it.term, it.to);
    }
    stretches
}

/// By adapter, when any director first told each epoch.
fn homes(seen: &Evidence) -> BTreeMap<String, Vec<Stretch>> {
    let mut first: BTreeMap<(&str, u64), &Sighting> = BTreeMap::new();
    for it in &seen.observed.sightings {
        let known = first.entry((&it.adapter, it.epoch)).or_insert(it);
        if it.at < known.at {
            *known = it;
        }
    }
    let mut lanes: BTreeMap<String, Vec<Stretch>> = BTreeMap::new();
    for ((adapter, _), it) in first {
        let lane = lanes.entry(adapter.to_owned()).or_default();
        let from = it.at.max(seen.from);
        if let Some(before) = lane.last_mut() {
            before.to = from;
        }
        lane.push(Stretch { from, to: seen.to, what: it.home.clone() });
    }
    lanes
}

/// Calls of one director that were slow, or of unknown outcome.
fn calls(seen: &Evidence, director: &str) -> Vec<Stretch> {
    let all = seen.history.iter().filter(|it| it.director == director);
    let shown = all.filter(|it| it.answer == Answer::Unknown || it.to - it.from >= SHOWN_CALL);
    let what = |unknown| if unknown { "of unknown outcome" } else { "slow" };
    let mut calls: Vec<Stretch> = shown
        .map(|it| {
            let (ms, kind) = ((it.to - it.from) / MILLISECOND, what(it.answer == Answer::Unknown));
            Stretch { from: it.from, to: it.to, what: format!("{}: {kind}, {ms} ms", it.register) }
        })
        .collect();
    calls.sort_by_key(|it| it.from);
    merged(calls)
}

/// Calls that overlap are one stretch: the picture stays small.
fn merged(calls: Vec<Stretch>) -> Vec<Stretch> {
    let mut merged: Vec<Stretch> = Vec::new();
    for call in calls {
        match merged.last_mut().filter(|it| call.from <= it.to) {
            Some(last) => last.to = last.to.max(call.to),
            None => merged.push(call),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::observation::{Observed, Pulse};

    fn seen() -> Evidence {
        let pulse = |at: Nanos, leader: &str, term| Pulse {
            from: at * MILLISECOND,
            to: (at + 1) * MILLISECOND,
            director: "d1".to_owned(),
            leader: leader.to_owned(),
            term,
            lease_left: None,
            hash: None,
        };
        let home = |at: Nanos, home: &str, epoch| Sighting {
            at: at * MILLISECOND,
            director: "d1".to_owned(),
            revision: epoch,
            adapter: "web-1/eth0".to_owned(),
            identity: "m".to_owned(),
            home: home.to_owned(),
            epoch,
        };
        let pulses =
            vec![pulse(0, "d1", 1), pulse(100, "d1", 1), pulse(200, "d2", 2), pulse(250, "d1", 1), pulse(300, "d2", 2)];
        let sightings = vec![home(5, "d1", 1), home(60, "d2", 2), home(61, "d2", 2)];
        Evidence { to: 400 * MILLISECOND, observed: Observed { pulses, sightings }, ..Evidence::default() }
    }

    #[test]
    fn an_old_term_does_not_count_and_a_home_lasts_until_the_next() {
        let ms = |it: &Stretch| (it.from / MILLISECOND, it.to / MILLISECOND, it.what.clone());
        let led: Vec<_> = leaders(&seen()).iter().map(ms).collect();
        assert_eq!(led, [(0, 201, "d1".to_owned()), (200, 301, "d2".to_owned())]);
        let homes: Vec<_> = homes(&seen())["web-1/eth0"].iter().map(ms).collect();
        assert_eq!(homes, [(5, 60, "d1".to_owned()), (60, 400, "d2".to_owned())]);
    }
}
