//! Who is alive, as this director sees it: feeds the failover crate's detector with what the datapath and the agents
//! report, and wakes those who act on its verdicts.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tokio::sync::watch;
use twinrail_datapath::Machine;
use twinrail_failover::detector::{Detector, Event, PathChange, Timing};
use twinrail_failover::placement::Reach;
use twinrail_failover::{Moment, Standing};
use twinrail_proto::domain::{Name, Rail, UnixMillis};

use super::core::{SharedCore, unix_millis};
use crate::clock;
use crate::link::PathBoard;

pub struct Liveness {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

struct Inner {
    detector: Detector,
    /// What was up when the datapath was last looked at.
    up: BTreeMap<(Name, Rail), bool>,
    lost: BTreeMap<Name, Loss>,
    paths_lost: BTreeMap<(Name, Name), Loss>,
}

/// When something was lost, on this machine's wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    pub last_seen: UnixMillis,
    pub detected: UnixMillis,
}

impl Loss {
    fn since(last_seen: Moment) -> Self {
        let detected = unix_millis();
        let silent = clock::now().since(last_seen).as_millis() as UnixMillis;
        Self { last_seen: detected.saturating_sub(silent), detected }
    }
}

impl Liveness {
    pub fn new(own: Name, timing: Timing) -> Self {
        let detector = Detector::new(own, timing);
        let inner = Inner { detector, up: BTreeMap::new(), lost: BTreeMap::new(), paths_lost: BTreeMap::new() };
        Self { inner: Mutex::new(inner), changed: watch::Sender::new(()) }
    }

    /// Changes with every verdict.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub fn standing(&self, director: &Name) -> Standing {
        self.inner.lock().detector.standing(director)
    }

    pub fn reach(&self) -> Reach {
        self.inner.lock().detector.reach(clock::now())
    }

    /// Until when to wait for directors that are coming back; None: no longer.
    pub fn gathering(&self) -> Option<Moment> {
        self.inner.lock().detector.gathering(clock::now())
    }

    /// Another director, which leads, has granted what was asked for then.
    pub fn served(&self, asked_at: Moment) {
        self.inner.lock().detector.on_served(asked_at);
    }

    /// Whether enough directors have a path up for a plan to be committed.
    pub fn hears_majority(&self) -> bool {
        self.inner.lock().detector.hears_majority()
    }

    /// The directors that are lost now, and since when.
    pub fn lost(&self) -> BTreeMap<Name, Loss> {
        self.inner.lock().lost.clone()
    }

    /// (server, director) pairs without a path, though the director lives. Each is told once.
    pub fn take_paths_lost(&self) -> BTreeMap<(Name, Name), Loss> {
        std::mem::take(&mut self.inner.lock().paths_lost)
    }

    /// What an agent says of its paths.
    pub fn report(&self, server: &Name, paths: impl IntoIterator<Item = (Name, Rail, bool)>) {
        let now = clock::now();
        let mut inner = self.inner.lock();
        for (director, rail, up) in paths {
            inner.detector.on_report(server, &director, rail, up, now);
        }
        drop(inner);
        self.changed.send_replace(());
    }

    pub fn forget_server(&self, server: &Name) {
        self.inner.lock().detector.forget_server(server);
    }

    fn look(&self, core: &SharedCore) -> Option<Moment> {
        let now = clock::now();
        let board = core.links.paths().borrow().clone();
        let members = core.members.all();
        let mut inner = self.inner.lock();
        let heard_majority = inner.detector.hears_majority();
        let standings = inner.standings(&members);
        inner.observe(members.keys().cloned().collect(), &board, now);
        let events = inner.detector.tick(now);
        let verdicts = !events.is_empty()
            || inner.detector.hears_majority() != heard_majority
            || inner.standings(&members) != standings;
        for event in events {
            inner.take(event);
        }
        let deadline = inner.detector.next_deadline();
        drop(inner);
        if verdicts {
            self.changed.send_replace(());
        }
        deadline
    }
}

impl Inner {
    fn standings<T>(&self, members: &BTreeMap<Name, T>) -> Vec<Standing> {
        members.keys().map(|it| self.detector.standing(it)).collect()
    }

    /// Tells the detector whom to watch, and what has changed since the last look. What was known of a director that is watched
    /// no more is forgotten: one that is added again under its name is a new one, whose paths have never been up.
    fn observe(&mut self, members: BTreeSet<Name>, board: &PathBoard, now: Moment) {
        self.detector.set_directors(members.iter().cloned(), now);
        self.up.retain(|(director, _), _| members.contains(director));
        self.lost.retain(|director, _| members.contains(director));
        for state in board.iter() {
            let Machine::Director(director) = &state.peer else { continue };
            if !members.contains(director) {
                continue;
            }
            let before = self.up.insert((director.clone(), state.rail), state.up).unwrap_or(false);
            if before != state.up {
                let change = match state.up {
                    true => PathChange::Up,
                    false => PathChange::Down { last_heard: Moment::from_nanos(state.last_heard_ns) },
                };
                self.detector.on_path(director, state.rail, change, now);
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Lost { director, last_seen } => {
                let loss = Loss::since(last_seen);
                tracing::warn!(%director, silent_ms = loss.detected - loss.last_seen, "a director is lost");
                self.lost.insert(director, loss);
            }
            Event::Returned { director } => {
                tracing::info!(%director, "a director is back");
                self.lost.remove(&director);
            }
            Event::PathsLost { server, director, since } => {
                tracing::warn!(%server, %director, "a server has lost all its paths to a director that lives");
                self.paths_lost.insert((server, director), Loss::since(since));
            }
        }
    }
}

/// Looks whenever a path changed or a deadline came, for as long as the task runs.
pub async fn watch_liveness(core: SharedCore) {
    let mut paths = core.links.paths().clone();
    let mut reports = core.liveness.changed();
    loop {
        let deadline = core.liveness.look(&core);
        tokio::select! {
            changed = paths.changed() => if changed.is_err() { return },
            _ = reports.changed() => {}
            () = clock::sleep_until(deadline) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use twinrail_datapath::PathState;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn both_up(director: &str) -> PathBoard {
        let path = |rail| PathState {
            peer: Machine::Director(name(director)),
            rail,
            up: true,
            since_ns: 1,
            last_heard_ns: 1,
            round_trip_ns: None,
        };
        PathBoard::new(Rail::ALL.map(path).to_vec())
    }

    #[test]
    fn a_director_that_was_removed_and_is_added_again_under_its_name_is_heard() {
        let timing = Timing::default();
        let detector = Detector::new(name("d1"), timing);
        let mut inner = Inner { detector, up: BTreeMap::new(), lost: BTreeMap::new(), paths_lost: BTreeMap::new() };
        let with = || BTreeSet::from([name("d1"), name("d2")]);
        let at = |ms| Moment::from_nanos(Duration::from_millis(ms).as_nanos() as u64);
        inner.observe(with(), &both_up("d2"), at(1));
        inner.take(Event::Lost { director: name("d2"), last_seen: at(1) });
        // It goes with its paths up, and they are up again when it is looked at next.
        inner.observe(BTreeSet::from([name("d1")]), &PathBoard::default(), at(100));
        inner.observe(with(), &both_up("d2"), at(200));
        let later = at(200) + timing.never_heard + timing.hold_down;
        assert_eq!(inner.detector.tick(later), []);
        assert_eq!(inner.detector.standing(&name("d2")), Standing::Trusted);
        assert!(inner.lost.is_empty());
    }
}
