//! The detector: which director is lost, and which server has lost all paths to a director that lives.
//!
//! ```text
//!   datapath: PathUp, PathDown ──▶ one `Watched` per director ──▶ Lost, Returned
//!                                        │ standing
//!   agents: path reports ────────▶ one pair per (server, director) ──▶ PathsLost
//! ```
//!
//! | what | after | default |
//! |---|---|---|
//! | a director is lost | both its paths have been down for `lost_after` | 80 ms |
//! | a lost director is back | a path has been up for `hold_down` | 300 ms |
//! | a director was never there | nothing was heard of it for `never_heard` | 3 s |
//! | less than a majority has a path up: nobody's adapters are given away | at once | |
//! | after less than a majority was heard of, the others are waited for | at most `gathering`, until all are trusted or a leader has served this one | 1.5 s |
//! | a server has lost its paths | both its paths to a *trusted* director have been down for `lost_after` | 80 ms |
//!
//! Guarantees: a director is reported lost once, and returned once after it; a pair is reported once for each time that its
//! paths were lost; while a director is doubted or lost, its servers' reports wait, so that the death of a director makes
//! one plan and not one for each of its servers. The detector only believes: nothing depends on its being right but
//! speed (the safety is in epochs and leases).

mod director;
mod pairs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_proto::domain::{Name, Rail};

use crate::placement::Reach;
use crate::{Moment, Standing};
pub use director::{Health, PathChange};
use director::{Verdict, Watched};
use pairs::Pairs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Both paths down for so long: lost. Two hello timeouts more than a path needs to be called down.
    pub lost_after: Duration,
    /// A path up for so long: back. Long enough that a flapping link does not move anything to and fro.
    pub hold_down: Duration,
    /// Never heard since we began to watch: lost. Long, because after a power cut of all, directors start one by one, and
    /// the first must not take everything from those that are still booting their programs.
    pub never_heard: Duration,
    /// When less than a majority was heard of, nobody could carry, and directors come back one by one: the first must not
    /// take everything. Longer than an address takes to be resolved on a rail that was down (1 s) and `hold_down` together.
    pub gathering: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lost_after: Duration::from_millis(80),
            hold_down: Duration::from_millis(300),
            never_heard: Duration::from_secs(3),
            gathering: Duration::from_millis(1500),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `last_seen`: the last sign of life on any path (for one never heard: when we began to watch).
    Lost {
        director: Name,
        last_seen: Moment,
    },
    Returned {
        director: Name,
    },
    /// `since`: when the last of its paths went down.
    PathsLost {
        server: Name,
        director: Name,
        since: Moment,
    },
}

#[derive(Debug)]
pub struct Detector {
    timing: Timing,
    me: Name,
    directors: BTreeMap<Name, Watched>,
    pairs: Pairs,
    /// When less than a majority was heard of last.
    short_at: Option<Moment>,
}

impl Detector {
    /// `me` is the director that watches: it trusts itself.
    pub fn new(me: Name, timing: Timing) -> Self {
        Self { timing, me, directors: BTreeMap::new(), pairs: Pairs::default(), short_at: None }
    }

    /// Whom to watch from now on, as the state names them. What is known of those that stay is kept.
    pub fn set_directors(&mut self, names: impl IntoIterator<Item = Name>, now: Moment) {
        let names: BTreeSet<Name> = names.into_iter().filter(|it| *it != self.me).collect();
        self.directors.retain(|it, _| names.contains(it));
        self.pairs.retain_directors(|it| *it == self.me || names.contains(it));
        for name in names {
            self.directors.entry(name).or_insert_with(|| Watched::new(now));
        }
    }

    /// A path between this director and another one changed. Directors that are not watched are ignored.
    pub fn on_path(&mut self, director: &Name, rail: Rail, change: PathChange, now: Moment) {
        self.note_majority(now);
        let Some(watched) = self.directors.get_mut(director) else { return };
        watched.on_path(rail, change, now);
        if watched.standing() == Standing::Trusted {
            self.pairs.resume(director, now);
        }
    }

    /// A server's agent says how a path of its is. Reports about directors that are not watched are ignored.
    pub fn on_report(&mut self, server: &Name, director: &Name, rail: Rail, up: bool, now: Moment) {
        if *director == self.me || self.directors.contains_key(director) {
            self.pairs.on_report(server, director, rail, up, now, self.timing.lost_after);
        }
    }

    /// A server's agent is not attached any more: nothing is known of its paths. Memory is bounded by the attached agents.
    pub fn forget_server(&mut self, server: &Name) {
        self.pairs.forget_server(server);
    }

    /// What has become certain by now, directors first.
    pub fn tick(&mut self, now: Moment) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, watched) in &mut self.directors {
            match watched.tick(now, &self.timing) {
                Some(Verdict::Lost { last_seen }) => events.push(Event::Lost { director: name.clone(), last_seen }),
                Some(Verdict::Returned) => {
                    self.pairs.resume(name, now);
                    events.push(Event::Returned { director: name.clone() });
                }
                None => {}
            }
        }
        self.note_majority(now);
        let (me, directors) = (&self.me, &self.directors);
        let lost = self.pairs.tick(now, |it| standing_of(me, directors, it) == Standing::Trusted);
        events.extend(lost.into_iter().map(|(server, director, since)| Event::PathsLost { server, director, since }));
        events
    }

    /// Another director leads with a quorum, and has served this one since it asked at that time: if it heard of too few before,
    /// it alone was cut off, and the others need not gather.
    pub fn on_served(&mut self, asked_at: Moment) {
        self.short_at = self.short_at.filter(|short| *short >= asked_at);
    }

    /// Until when nothing should be given to others because its home is lost: this director has only just begun to hear a
    /// majority again, and not everybody is back. None: there is nothing to wait for.
    pub fn gathering(&self, now: Moment) -> Option<Moment> {
        let until = self.short_at? + self.timing.gathering;
        let all_back = self.directors.values().all(|it| it.standing() == Standing::Trusted);
        (now < until && !all_back).then_some(until)
    }

    /// Whether this director and those that it has a path to are a majority. Without one no plan can be committed, and a plan
    /// that is made all the same, of the first of many that fall silent, would come true when they are all back.
    pub fn hears_majority(&self) -> bool {
        let heard = 1 + self.directors.values().filter(|it| it.is_heard()).count();
        heard * 2 > self.directors.len() + 1
    }

    fn note_majority(&mut self, now: Moment) {
        let heard = 1 + self.directors.values().filter(|it| it.standing() != Standing::Lost).count();
        if heard * 2 <= self.directors.len() + 1 {
            self.short_at = Some(now);
        }
    }

    /// When `tick` should be called next; None: not before something happens.
    pub fn next_deadline(&self) -> Option<Moment> {
        let directors = self.directors.values().filter_map(|it| it.deadline(&self.timing)).min();
        directors.into_iter().chain(self.pairs.next_deadline()).min()
    }

    /// What is believed of a director. One that is not watched is lost: nobody knows it.
    pub fn standing(&self, director: &Name) -> Standing {
        standing_of(&self.me, &self.directors, director)
    }

    pub fn health(&self, director: &Name) -> Option<Health> {
        self.directors.get(director).map(Watched::health)
    }

    /// Which directors each server reaches, as reported. A path counts until it has been down for `lost_after`.
    pub fn reach(&self, now: Moment) -> Reach {
        self.pairs.reach(now, self.timing.lost_after)
    }
}

fn standing_of(me: &Name, directors: &BTreeMap<Name, Watched>, name: &Name) -> Standing {
    if name == me {
        return Standing::Trusted;
    }
    directors.get(name).map_or(Standing::Lost, Watched::standing)
}

#[cfg(test)]
mod tests;
