//! The model of a failover and of a move: what each action does.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use twinrail_failover::Moment;
use twinrail_failover::lease::{Grantor, LEASE};
use twinrail_failover::release::Releasing;
use twinrail_proto::domain::{Name, Revision};

use super::action::Action;
use super::bounds::Bounds;
use super::following::new_server;
use super::heal::Healed;
use super::names;
use super::properties::{Event, Property, Seen};
use super::rules::Rule;
use super::state::{Director, Entry, Grant, Id, Spent, State, Storage};

/// The model within its bounds, with at most one rule switched off.
#[derive(Clone, Debug)]
pub struct Failover {
    pub bounds: Bounds,
    pub off: Option<Rule>,
    /// This property alone counts.
    pub only: Option<Property>,
    pub seen: Seen,
    pub healed: Healed,
}

/// When everything happens. Waits are over when the model says so, not when a clock does.
pub(super) const NOW: Moment = Moment::from_millis(0);
/// Later than every deadline that was set at [`NOW`].
pub(super) const LATER: Moment = Moment::from_millis(60_000);

impl Failover {
    pub fn new(bounds: Bounds, off: Option<Rule>, only: Option<Property>) -> Self {
        Self { bounds, off, only, seen: Seen::default(), healed: Healed::default() }
    }

    pub(super) fn without(&self, rule: Rule) -> bool {
        self.off == Some(rule)
    }

    pub(super) fn violate(&self, state: &mut State, property: Property) {
        if self.only.is_none_or(|it| it == property) && state.violated.is_none() {
            state.violated = Some(property);
        }
    }

    /// Nothing has happened yet: d1 is the home of what s1 has, and nobody knows it.
    pub(super) fn beginning(&self) -> State {
        let entry = Entry { home: 0, epoch: 1, server: 0, releasing_to: None };
        let director = Director { alive: true, applied: 0, lease: false, grant: None, vhba: None, ahead: None };
        let mut state = State {
            record: vec![entry],
            releases: Arc::default(),
            directors: [director.clone(), director.clone(), director],
            servers: (0..self.bounds.servers).map(|_| new_server()).collect(),
            ups: Vec::new(),
            downs: Vec::new(),
            storage: Storage::default(),
            spent: Spent::default(),
            violated: None,
        };
        (0..3).for_each(|director| self.enforce(&mut state, director));
        state
    }

    /// None: nothing changes.
    pub(super) fn after(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let done = match action {
            Action::ChangeHome { to } => self.change_home(&mut state, to),
            Action::Release { to } => self.release(&mut state, to),
            Action::LookAtRelease => self.look_at_release(&mut state),
            Action::Acknowledge { server } => acknowledge(&mut state, server),
            Action::Apply { director } => self.apply(&mut state, director),
            Action::Round { director } => self.round(&mut state, director),
            Action::TakeGrant { director } => self.take_grant(&mut state, director),
            Action::Lapse { director } => self.lapse(&mut state, director),
            Action::Kill { director } => self.kill(&mut state, director),
            Action::Restart { director } => self.restart(&mut state, director),
            Action::Assign { director, server } => self.assign(&mut state, director, server),
            Action::Follow { server } => self.follow(&mut state, server),
            Action::SwitchAhead { server, to } => self.switch_ahead(&mut state, server, to),
            Action::SwitchBack { server } => self.switch_back(&mut state, server),
            Action::RestartAgent { server, lost } => self.restart_agent(&mut state, server, lost),
            Action::Send { server } => self.send(&mut state, server),
            Action::PassUp { frame } => self.pass_up(&mut state, frame),
            Action::SendDown { director } => self.send_down(&mut state, director),
            Action::PassDown { frame } => self.pass_down(&mut state, frame),
            Action::AtArray { session } => self.at_array(&mut state, session),
            Action::FromArray { session } => self.hear_array(&mut state, session),
            Action::Execute { write } => self.execute(&mut state, write),
            Action::FinishReset { reset } => self.finish_reset(&mut state, reset),
            Action::Break { session } => self.break_session(&mut state, session),
            Action::Retry { director } => self.retry(&mut state, director),
            Action::Attach { server } => self.attach(&mut state, server),
            Action::Write { server } => self.write(&mut state, server),
            Action::PassCommand { command } => self.pass_command(&mut state, command),
            Action::PassCompletion { completion } => self.pass_completion(&mut state, completion),
        };
        done.then_some(state)
    }

    fn change_home(&self, state: &mut State, to: Id) -> bool {
        let entry = state.newest();
        let epoch = if self.without(Rule::Epoch) { entry.epoch } else { entry.epoch + 1 };
        state.spent.home_changes += 1;
        self.seen.note(Event::HomeChanged);
        self.commit(state, Entry { home: to, epoch, ..entry });
        true
    }

    fn release(&self, state: &mut State, to: Id) -> bool {
        let entry = state.newest();
        state.spent.moves += 1;
        self.commit(state, Entry { releasing_to: Some(to), ..entry });
        true
    }

    /// The leader's own decision, on a view of the leases that says no more than that one has certainly ended.
    fn look_at_release(&self, state: &mut State) -> bool {
        let entry = state.newest();
        let Some(to) = entry.releasing_to else { return false };
        let leases = self.leases_of(state);
        let before = Arc::clone(&state.releases);
        let due = !Arc::make_mut(&mut state.releases).tick(&leases, LATER).is_empty();
        if !(due || self.without(Rule::ReleaseWait)) {
            return !same(&before, &state.releases);
        }
        self.note_release(state);
        self.commit(state, Entry { epoch: entry.epoch + 1, server: to, releasing_to: None, ..entry });
        true
    }

    fn note_release(&self, state: &State) {
        let releasing = state.newest();
        let revision = u64::from(state.last()) + 1;
        if state.server(releasing.server).acknowledged == Some(revision) {
            self.seen.note(Event::MovedByAgent);
        } else if state.directors.iter().any(|it| it.applied < state.last()) {
            self.seen.note(Event::MovedByLease);
        }
    }

    fn leases_of(&self, state: &State) -> Grantor {
        let mut leases = Grantor::became_leader(LEASE, NOW);
        for (id, director) in (0..).zip(&state.directors) {
            let over = !director.lease && director.grant.is_none();
            if !over || self.without(Rule::ReleaseEnds) {
                leases.on_granted(names::director(id), LATER);
            }
        }
        leases
    }

    fn commit(&self, state: &mut State, entry: Entry) {
        if entry.epoch < state.newest().epoch {
            self.violate(state, Property::Epochs);
        }
        state.record.push(entry);
        let revision = Revision(u64::from(state.last()) + 1);
        let releasing = entry.releasing_to.map(|_| Releasing {
            profile: names::profile().clone(),
            from: names::server(entry.server).clone(),
            revision,
        });
        let carriers: BTreeSet<Name> = (0..3).map(|it| names::director(it).clone()).collect();
        Arc::make_mut(&mut state.releases).sync(releasing.into_iter().collect(), carriers, NOW);
        if entry.releasing_to.is_none() {
            state.releases = Arc::default();
        }
        self.check_homes(state);
    }

    fn apply(&self, state: &mut State, director: Id) -> bool {
        state.director_mut(director).applied += 1;
        self.enforce(state, director);
        true
    }

    /// The tables of a director are put into force.
    pub(super) fn enforce(&self, state: &mut State, director: Id) {
        let shown = state.shown(director);
        state.director_mut(director).ahead.take_if(|(epoch, _)| *epoch <= shown.epoch);
        if self.bounds.vhba {
            self.follow_vhba_table(state, director);
        }
        self.check_homes(state);
    }

    fn round(&self, state: &mut State, director: Id) -> bool {
        let (commit, applied) = (state.last(), state.director(director).applied);
        let it = state.director_mut(director);
        let answers = it.vhba.as_ref().and_then(|it| it.question);
        it.grant = Some(Grant { commit, answers });
        if state.newest().releasing_to.is_some() {
            let revision = Revision(u64::from(applied) + 1);
            Arc::make_mut(&mut state.releases).on_applied(names::director(director), revision);
        }
        // One that could be taken and has not been is, for frames, no other than a lease that has not begun to matter.
        if applied == commit && !self.bounds.vhba {
            self.take_grant(state, director);
        }
        true
    }

    /// A lease says that a director may carry what its tables say: so they must be as new as the grant.
    fn take_grant(&self, state: &mut State, director: Id) -> bool {
        let it = state.director_mut(director);
        let Some(grant) = it.grant else { return false };
        if it.applied < grant.commit && !self.without(Rule::CatchUp) {
            self.seen.note(Event::GrantWaits);
            return false;
        }
        it.grant = None;
        it.lease = true;
        let former = state.directors.iter().enumerate().any(|(id, it)| {
            let shown = state.record[usize::from(it.applied)];
            it.lease && usize::from(shown.home) == id && shown.epoch < state.newest().epoch
        });
        if former && state.director(state.newest().home).lease {
            self.seen.note(Event::HomeAlive);
        }
        self.vhba_granted(state, director, grant);
        true
    }

    fn lapse(&self, state: &mut State, director: Id) -> bool {
        if self.bounds.lapses < u8::MAX {
            state.spent.lapses += 1;
        }
        let it = state.director_mut(director);
        it.grant = None;
        if std::mem::replace(&mut it.lease, false) {
            self.vhba_lapsed(state, director);
        }
        true
    }

    /// The machine loses its power: nobody is told, and sessions at the array live on until somebody logs in.
    fn kill(&self, state: &mut State, director: Id) -> bool {
        state.spent.kills += 1;
        let it = state.director_mut(director);
        (it.alive, it.lease, it.grant, it.vhba, it.ahead) = (false, false, None, None, None);
        for it in state.storage.connections.iter_mut().filter(|it| it.director == director) {
            it.cut = true;
            it.answers.clear();
        }
        self.forget_connections(state);
        true
    }

    /// It knows again what it knew at the beginning, and learns the rest.
    fn restart(&self, state: &mut State, director: Id) -> bool {
        let it = state.director_mut(director);
        (it.alive, it.applied) = (true, 0);
        self.seen.note(Event::DirectorRestarted);
        self.enforce(state, director);
        true
    }

    /// In the record, and in the tables of those that are alive.
    pub(super) fn check_homes(&self, state: &mut State) {
        let committed = state.record.iter().map(|it| (it.epoch, it.home, it.server));
        let shown = (0..3).filter(|it| state.director(*it).alive).map(|it| (it, state.shown(it)));
        let shown = shown.filter(|(id, it)| it.home == *id).map(|(id, it)| (it.epoch, id, it.server));
        let ahead = (0..).zip(&state.directors);
        let ahead = ahead.filter_map(|(id, it)| it.ahead.map(|(epoch, server)| (epoch, id, server)));
        let all: BTreeSet<(u8, Id, Id)> = committed.chain(shown).chain(ahead).collect();
        let epochs: BTreeSet<u8> = all.iter().map(|it| it.0).collect();
        if epochs.len() < all.len() {
            self.violate(state, Property::OneHome);
        }
    }
}

fn acknowledge(state: &mut State, server: Id) -> bool {
    let Some(revision) = state.server(server).acknowledged else { return false };
    let name = names::server(server);
    let before = Arc::clone(&state.releases);
    Arc::make_mut(&mut state.releases).on_acknowledged(names::profile(), name, Revision(revision));
    !same(&before, &state.releases)
}

/// What the deciding code holds is compared as the checker compares states.
pub(super) fn same<T: Hash>(one: &T, other: &T) -> bool {
    hash_of(one) == hash_of(other)
}

pub(super) fn hash_of<T: Hash>(it: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}
