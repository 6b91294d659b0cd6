use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_proto::domain::{Name, Rail};

use crate::Moment;
use crate::placement::Reach;

/// The paths between servers and directors, as the servers' agents report them.
///
/// ```text
///              last path down            lost_after, director trusted
///     Up ───────────────────────▶ Waiting ───────────────────────────▶ Told
///      ▲                           │ ▲ │ lost_after, director silent     │
///      │                           │ │ └──────────▶ Parked               │
///      │                           │ └───────────────┘ director trusted  │
///      └───────────────────────────┴── a path up (from any of the three) ┘
/// ```
///
/// Deadlines are ordered, so that a thousand reports in the moment when a director dies cost a thousand insertions
/// and not a thousand scans.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    servers: BTreeMap<Name, BTreeMap<Name, Pair>>,
    /// (deadline, server, director) of the pairs that wait.
    waiting: BTreeSet<(Moment, Name, Name)>,
    /// Director → servers of the pairs that are parked until it is trusted.
    parked: BTreeMap<Name, BTreeSet<Name>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    up: [bool; 2],
    down: Option<Down>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down {
    since: Moment,
    /// When it is next looked at; None: parked, or told.
    deadline: Option<Moment>,
}

impl Pairs {
    pub fn on_report(
        &mut self,
        server: &Name,
        director: &Name,
        rail: Rail,
        up: bool,
        now: Moment,
        lost_after: Duration,
    ) {
        let pairs = self.servers.entry(server.clone()).or_default();
        let pair = pairs.entry(director.clone()).or_insert(Pair { up: [false; 2], down: None });
        pair.up[rail.index()] = up;
        let any_path_up = pair.up != [false; 2];
        match pair.down {
            Some(down) if any_path_up => {
                pair.down = None;
                self.stop_watching(server, director, down);
            }
            None if !any_path_up => {
                let deadline = now + lost_after;
                pair.down = Some(Down { since: now, deadline: Some(deadline) });
                self.waiting.insert((deadline, server.clone(), director.clone()));
            }
            _ => {}
        }
    }

    pub fn forget_server(&mut self, server: &Name) {
        for (director, pair) in self.servers.remove(server).unwrap_or_default() {
            if let Some(down) = pair.down {
                self.stop_watching(server, &director, down);
            }
        }
    }

    pub fn retain_directors(&mut self, keep: impl Fn(&Name) -> bool) {
        for pairs in self.servers.values_mut() {
            pairs.retain(|director, _| keep(director));
        }
        self.servers.retain(|_, pairs| !pairs.is_empty());
        self.waiting.retain(|(_, _, director)| keep(director));
        self.parked.retain(|director, _| keep(director));
    }

    /// A director is trusted (again): its parked pairs are looked at in the next tick.
    pub fn resume(&mut self, director: &Name, now: Moment) {
        for server in self.parked.remove(director).unwrap_or_default() {
            self.set_deadline(&server, director, Some(now));
            self.waiting.insert((now, server, director.clone()));
        }
    }

    /// (server, director, since) of the pairs whose paths are lost from now on.
    pub fn tick(&mut self, now: Moment, trusted: impl Fn(&Name) -> bool) -> Vec<(Name, Name, Moment)> {
        let mut lost = Vec::new();
        while self.waiting.first().is_some_and(|(deadline, ..)| *deadline <= now) {
            let (_, server, director) = self.waiting.pop_first().expect("the first was there");
            let since = self.set_deadline(&server, &director, None);
            if trusted(&director) {
                lost.push((server, director, since));
            } else {
                self.parked.entry(director).or_default().insert(server);
            }
        }
        lost
    }

    pub fn next_deadline(&self) -> Option<Moment> {
        self.waiting.first().map(|(deadline, ..)| *deadline)
    }

    pub fn reach(&self, now: Moment, lost_after: Duration) -> Reach {
        let mut reach = Reach::default();
        for (server, pairs) in &self.servers {
            for (director, pair) in pairs {
                if pair.down.is_none_or(|down| now < down.since + lost_after) {
                    reach.insert(server.clone(), director.clone());
                }
            }
        }
        reach
    }

    fn stop_watching(&mut self, server: &Name, director: &Name, down: Down) {
        if let Some(deadline) = down.deadline {
            self.waiting.remove(&(deadline, server.clone(), director.clone()));
        }
        if let Some(servers) = self.parked.get_mut(director) {
            servers.remove(server);
        }
    }

    /// Returns since when the pair is down. Only for pairs that wait or are parked: those are down.
    fn set_deadline(&mut self, server: &Name, director: &Name, deadline: Option<Moment>) -> Moment {
        let pair = self.servers.get_mut(server).and_then(|pairs| pairs.get_mut(director));
        let down = pair.and_then(|it| it.down.as_mut()).expect("a pair that waits is down");
        down.deadline = deadline;
        down.since
    }
}
