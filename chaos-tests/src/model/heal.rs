//! What happens when faults end: everything that is under way arrives, whoever is dead starts again, everybody asks and is
//! answered. One order of that, always the same; each of its steps is a step of the model.

use std::collections::HashSet;
use std::sync::{Arc, RwLock};

use super::action::Action;
use super::failover::{Failover, hash_of};
use super::properties::Seen;
use super::state::{DIRECTORS, Id, State};

/// More steps than this are no healing.
const STEPS: usize = 300;

/// States from which it is known that they heal: the ways join soon.
#[derive(Clone, Debug, Default)]
pub struct Healed {
    known: Arc<[RwLock<HashSet<u64>>; 16]>,
    /// What happens on the way is not what the model was asked to look for.
    aside: Seen,
}

impl Healed {
    fn contains(&self, hash: u64) -> bool {
        self.shard(hash).read().expect("nobody panics while holding it").contains(&hash)
    }

    fn insert(&self, hash: u64) {
        self.shard(hash).write().expect("nobody panics while holding it").insert(hash);
    }

    fn shard(&self, hash: u64) -> &RwLock<HashSet<u64>> {
        &self.known[(hash >> 60) as usize]
    }
}

/// Who comes back when faults end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Everybody,
    /// The dead stay dead, the leader gives what they had to others; and a server that is to let go says nothing.
    TheLiving,
}

impl Failover {
    /// Where the way ends that leads to a home that serves. None: there is none.
    pub fn heal(&self, state: &State, end: End) -> Option<State> {
        let (aside, mut passed, mut last) = (self.aside(), Vec::new(), state.clone());
        for _ in 0..STEPS {
            if self.serves(&last) {
                return Some(last);
            }
            passed.push(hash_of(&last));
            last = aside.next_of_healing(&last, end, &passed)?;
        }
        None
    }

    pub(super) fn heals(&self, state: &State) -> bool {
        let some_dead = state.directors.iter().any(|it| !it.alive);
        state.violated.is_some()
            || self.heals_to(state, End::Everybody) && (!some_dead || self.heals_to(state, End::TheLiving))
    }

    fn heals_to(&self, state: &State, end: End) -> bool {
        let key = |hash: u64| hash_of(&(hash, end == End::TheLiving));
        let (aside, mut passed, mut last) = (self.aside(), Vec::new(), state.clone());
        for _ in 0..STEPS {
            let hash = hash_of(&last);
            if self.healed.contains(key(hash)) || self.serves(&last) {
                passed.push(hash);
                passed.into_iter().for_each(|it| self.healed.insert(key(it)));
                return true;
            }
            passed.push(hash);
            let Some(next) = aside.next_of_healing(&last, end, &passed) else { return false };
            last = next;
        }
        false
    }

    fn aside(&self) -> Self {
        Self { seen: self.healed.aside.clone(), ..self.clone() }
    }

    /// After the first step that leads to where the way has not been yet.
    fn next_of_healing(&self, state: &State, end: End, passed: &[u64]) -> Option<State> {
        let mut actions: Vec<Action> = self.possible(state);
        if end == End::TheLiving {
            actions.retain(|it| !matches!(it, Action::Restart { .. } | Action::Acknowledge { .. }));
            let living = (0..DIRECTORS).find(|it| state.director(*it).alive);
            if !state.director(state.newest().home).alive {
                return self.after(state, Action::ChangeHome { to: living? });
            }
        }
        actions.retain(|it| rank(*it).is_some());
        actions.sort_by_key(|it| rank(*it));
        let mut next = actions.into_iter().filter_map(|action| self.after(state, action));
        next.find(|it| !passed.contains(&hash_of(it)))
    }

    /// The home of the record has a lease, its server follows it; and the disk is admitted with nothing left to do.
    pub fn serves(&self, state: &State) -> bool {
        let entry = state.newest();
        let it = state.director(entry.home);
        let home = it.alive && it.lease && it.applied == state.last();
        if !home || entry.releasing_to.is_some() {
            return false;
        }
        (!self.bounds.vnic || self.frames_serve(state, entry.server))
            && (!self.bounds.vhba || disk_serves(state, entry.server))
    }

    fn frames_serve(&self, state: &State, server: Id) -> bool {
        let (entry, it) = (state.newest(), state.server(server));
        it.route() == Some((entry.home, entry.epoch)) && it.agent.next_deadline().is_none()
    }
}

fn disk_serves(state: &State, server: Id) -> bool {
    let (entry, it) = (state.newest(), state.server(server));
    let Some(vhba) = &state.director(entry.home).vhba else { return false };
    let admitted = vhba.admitted && vhba.session.is_some_and(|it| state.storage.sessions.contains(&it));
    let attached = it.attached.is_some_and(|it| it.home == entry.home && Some(it.session) == vhba.session);
    admitted && attached && it.outstanding.is_none()
}

/// What comes first. None: a fault, or something new.
fn rank(action: Action) -> Option<u8> {
    match action {
        Action::Restart { .. } => Some(0),
        Action::Apply { .. } => Some(1),
        Action::TakeGrant { .. } => Some(2),
        Action::Round { .. } => Some(3),
        Action::FromArray { .. } => Some(4),
        Action::AtArray { .. } => Some(5),
        Action::Execute { .. } | Action::FinishReset { .. } => Some(6),
        Action::PassCommand { .. } | Action::PassCompletion { .. } => Some(7),
        Action::Assign { director, .. } => Some(8 + director.min(DIRECTORS)),
        Action::Follow { .. } | Action::SwitchBack { .. } => Some(20),
        Action::Acknowledge { .. } | Action::LookAtRelease => Some(21),
        Action::Attach { .. } => Some(22),
        Action::Retry { .. } => Some(23),
        _ => None,
    }
}
