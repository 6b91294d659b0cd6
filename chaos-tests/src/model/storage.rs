//! The array and its sessions, the vHBA's home as `failover::takeover` decides, and the one block that a server writes. REPORT LUNS
//! and TEST UNIT READY are answered at once: nothing depends on how long they take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use twinrail_failover::takeover::{
    Assignment, Effect, Event as Told, FencedBy, Heard, Identity, LoginNumber, Lun, ResetAnswer, Takeover,
};
use twinrail_proto::domain::{Epoch as DomainEpoch, Wwn};

use super::failover::{Failover, LATER, NOW};
use super::properties::{Event, Property};
use super::rules::Rule;
use super::state::{Answer, Connection, Grant, Id, Request, Reset, Session, State, VhbaHome, Write};

const LUN: Lun = Lun([0, 1, 0, 0, 0, 0, 0, 0]);

impl Failover {
    /// The tables of a director show that the vHBA's home is here, or is not any more.
    pub(super) fn follow_vhba_table(&self, state: &mut State, director: Id) {
        let shown = state.shown(director);
        let letting_go = shown.releasing_to.is_some();
        if shown.home != director {
            self.cut(state, director);
            state.director_mut(director).vhba = None;
            return;
        }
        let lease = state.director(director).lease;
        let wanted = (shown.epoch, shown.server, letting_go);
        let it = state.director_mut(director);
        let is_new = it.vhba.is_none();
        let home = it.vhba.get_or_insert_with(|| VhbaHome {
            takeover: Arc::new(Takeover::default()),
            epoch: shown.epoch,
            server: shown.server,
            letting_go,
            session: None,
            question: None,
            admitted: false,
            holding: false,
        });
        let before = std::mem::replace(&mut home.epoch, wanted.0);
        let before = (before, home.server, home.letting_go);
        (home.server, home.letting_go) = (wanted.1, wanted.2);
        if !is_new && before == wanted {
            return;
        }
        if is_new && lease {
            self.tell_vhba(state, director, Told::LeaseLive);
        }
        let event = if letting_go { Told::LetGo(domain(shown.epoch)) } else { self.assigned_vhba(shown.epoch) };
        self.tell_vhba(state, director, event);
    }

    /// The array does not end former commands by a login; a rule that is off says that it does.
    fn assigned_vhba(&self, epoch: u8) -> Told {
        let fenced_by = if self.without(Rule::Fence) { FencedBy::Login } else { FencedBy::LunReset };
        let wwpn = Wwn::new(0x5001_4380_0000_0001).expect("a valid name");
        let identity = Identity { wwpn, session: [1; 6] };
        Told::Assigned(Assignment { epoch: domain(epoch), identity, fenced_by, registrations: BTreeMap::new() })
    }

    pub(super) fn vhba_lapsed(&self, state: &mut State, director: Id) {
        self.tell_vhba(state, director, Told::LeaseLapsed);
    }

    pub(super) fn vhba_granted(&self, state: &mut State, director: Id, grant: Grant) {
        self.tell_vhba(state, director, Told::LeaseLive);
        let Some(home) = &mut state.director_mut(director).vhba else { return };
        let answers = |question: u64| grant.answers == Some(question) || self.without(Rule::ConfirmationOrder);
        if let Some(number) = home.question.take_if(|it| answers(*it)) {
            self.tell_vhba(state, director, Told::Confirmed { number });
        }
    }

    pub(super) fn retry(&self, state: &mut State, director: Id) -> bool {
        let Some(home) = &mut state.director_mut(director).vhba else { return false };
        let effects = Arc::make_mut(&mut home.takeover).on_event(Told::Tick, LATER);
        let mut events = VecDeque::new();
        effects.into_iter().for_each(|effect| events.extend(self.run(state, director, effect)));
        self.tell_all(state, director, events);
        true
    }

    /// Tells the takeover, and does what it says, until nothing is left.
    fn tell_vhba(&self, state: &mut State, director: Id, event: Told) {
        self.tell_all(state, director, VecDeque::from([event]));
    }

    fn tell_all(&self, state: &mut State, director: Id, mut events: VecDeque<Told>) {
        loop {
            let Some(event) = events.pop_front().or_else(|| drained(state, director)) else { return };
            let Some(home) = &mut state.director_mut(director).vhba else { return };
            for effect in Arc::make_mut(&mut home.takeover).on_event(event, NOW) {
                events.extend(self.run(state, director, effect));
            }
        }
    }

    fn run(&self, state: &mut State, director: Id, effect: Effect) -> Option<Told> {
        let said = |state: &State, heard| Some(Told::Session { login: session_of(state, director)?.login, heard });
        let current = session_of(state, director).is_some_and(|it| state.storage.sessions.contains(&it.session));
        match effect {
            Effect::LogIn { login, .. } => self.log_in(state, director, login),
            Effect::Confirm { number } if self.without(Rule::Confirmation) => return Some(Told::Confirmed { number }),
            Effect::Confirm { number } => {
                let it = state.director_mut(director);
                // A round that is under way began before.
                it.grant = it.grant.map(|grant| Grant { answers: None, ..grant });
                it.vhba.as_mut()?.question = Some(number);
            }
            Effect::ReportLuns if current => return said(state, Heard::LunsReported(BTreeSet::from([LUN]))),
            Effect::TestUnitReady(lun) if current => return said(state, Heard::Ready(lun)),
            Effect::ResetLun(lun) => {
                request(state, director, Request::ResetLun);
                if self.without(Rule::ResetAnswer) {
                    return said(state, Heard::Reset { lun, answer: ResetAnswer::Complete });
                }
            }
            Effect::LogOut => request(state, director, Request::LogOut),
            Effect::Replay(_) => return said(state, Heard::Replayed),
            Effect::Admit(_) => self.admit(state, director)?,
            Effect::Hold => {
                let home = state.director_mut(director).vhba.as_mut()?;
                (home.admitted, home.holding) = (false, true);
            }
            Effect::Stop | Effect::Released(_) => self.cut(state, director),
            Effect::ReportLuns | Effect::TestUnitReady(_) | Effect::Withdraw(_) | Effect::Report(_) => {}
            Effect::Register { .. } | Effect::GiveBack(_) => unreachable!("nothing is registered"),
        }
        None
    }

    fn admit(&self, state: &mut State, director: Id) -> Option<()> {
        let newest = session_of(state, director)?.newest;
        let home = state.director_mut(director).vhba.as_mut()?;
        (home.admitted, home.holding) = (true, false);
        let epoch = home.epoch;
        if epoch > 1 {
            self.seen.note(Event::Admitted);
        }
        if epoch < newest {
            self.violate(state, Property::Admission);
        }
        Some(())
    }

    fn log_in(&self, state: &mut State, director: Id, login: LoginNumber) {
        self.cut(state, director);
        let session = unused(state);
        let connection = Connection {
            session,
            director,
            login,
            newest: 0,
            cut: false,
            requests: vec![Request::LogIn],
            answers: Vec::new(),
            initiator: None,
            under_way: Vec::new(),
        };
        state.storage.connections.push(connection);
        state.storage.connections.sort_by_key(|it| it.session);
        if let Some(home) = &mut state.director_mut(director).vhba {
            (home.session, home.holding) = (Some(session), false);
        }
    }

    /// The connection is closed behind what has been sent on it.
    fn cut(&self, state: &mut State, director: Id) {
        let Some(home) = &mut state.director_mut(director).vhba else { return };
        home.admitted = false;
        let Some(session) = home.session.take() else { return };
        if let Some(it) = state.storage.connection_mut(session) {
            it.cut = true;
            it.answers.clear();
            it.requests.push(Request::End);
        }
        self.forget_connections(state);
    }

    pub(super) fn forget_connections(&self, state: &mut State) {
        state.storage.connections.retain(|it| !(it.cut && it.requests.is_empty()));
    }

    pub(super) fn at_array(&self, state: &mut State, session: Session) -> bool {
        let Some(connection) = state.storage.connection_mut(session) else { return false };
        if connection.requests.is_empty() {
            return false;
        }
        let request = connection.requests.remove(0);
        let current = state.storage.sessions.contains(&session);
        match request {
            Request::LogIn => self.login_at_array(state, session),
            Request::ResetLun if current => {
                let ends = state.storage.taken.clone();
                state.storage.resets.push(Reset { session, ends });
                state.storage.resets.sort_unstable();
            }
            Request::Write(write) if current => self.take_write(state, write),
            Request::LogOut if current => {
                state.storage.sessions.retain(|it| *it != session);
                answer(state, session, Heard::LoggedOut);
            }
            Request::End => state.storage.sessions.retain(|it| *it != session),
            Request::ResetLun | Request::Write(_) | Request::LogOut => {}
        }
        self.forget_connections(state);
        true
    }

    /// A login ends the session before it, and nothing that it had sent.
    fn login_at_array(&self, state: &mut State, session: Session) {
        if !self.without(Rule::Reinstatement) {
            for former in std::mem::take(&mut state.storage.sessions) {
                self.note_login(state, session, former);
                answer(state, former, Heard::Lost);
            }
        }
        state.storage.sessions.push(session);
        state.storage.sessions.sort_unstable();
        let newest = state.newest().epoch;
        if let Some(it) = state.storage.connection_mut(session) {
            it.newest = newest;
        }
        answer(state, session, Heard::LoggedIn);
    }

    fn note_login(&self, state: &State, session: Session, former: Session) {
        let owner = |it| state.storage.connection(it).map(|it| it.director);
        if owner(former) != owner(session) {
            self.seen.note(Event::LoginOverLogin);
        }
        let home = state.newest().home;
        if owner(former) == Some(home) && owner(session) != Some(home) {
            self.seen.note(Event::OldLogin);
        }
    }

    pub(super) fn finish_reset(&self, state: &mut State, reset: usize) -> bool {
        let Reset { session, ends } = state.storage.resets.remove(reset);
        let before = state.storage.taken.len();
        state.storage.taken.retain(|it| !ends.contains(it));
        if state.storage.taken.len() < before {
            self.seen.note(Event::ResetKills);
        }
        if state.storage.sessions.contains(&session) {
            answer(state, session, Heard::Reset { lun: LUN, answer: ResetAnswer::Complete });
        }
        true
    }

    fn take_write(&self, state: &mut State, write: Write) {
        let storage = &mut state.storage;
        let alone = storage.newest <= write.epoch && storage.taken.iter().all(|it| it.epoch == write.epoch);
        storage.newest = storage.newest.max(write.epoch);
        storage.taken.push(write);
        storage.taken.sort_unstable();
        if !alone {
            self.violate(state, Property::SanAlone);
        }
    }

    pub(super) fn execute(&self, state: &mut State, write: usize) -> bool {
        let write = state.storage.taken.remove(write);
        state.storage.block = write.value;
        if state.storage.sessions.contains(&write.session) {
            if let Some(it) = state.storage.connection_mut(write.session).filter(|it| !it.cut) {
                it.answers.push(Answer::Written(write.value));
            }
        } else {
            self.seen.note(Event::LateWrite);
        }
        self.check_block(state);
        true
    }

    pub(super) fn check_block(&self, state: &mut State) {
        if state.storage.block < state.storage.acknowledged {
            self.violate(state, Property::Blocks);
        }
    }

    pub(super) fn break_session(&self, state: &mut State, session: Session) -> bool {
        state.spent.breaks += 1;
        state.storage.sessions.retain(|it| *it != session);
        if let Some(it) = state.storage.connection_mut(session) {
            it.requests.clear();
        }
        answer(state, session, Heard::Lost);
        true
    }

    pub(super) fn hear_array(&self, state: &mut State, session: Session) -> bool {
        let Some(it) = state.storage.connection_mut(session).filter(|it| !it.answers.is_empty()) else { return false };
        let (director, login) = (it.director, it.login);
        match it.answers.remove(0) {
            Answer::Heard(heard) => {
                let lost = matches!(heard, Heard::Lost | Heard::LoggedOut);
                if lost {
                    // Nothing more comes of it, and it carries nothing more.
                    it.cut = true;
                }
                self.tell_vhba(state, director, Told::Session { login, heard });
                if lost {
                    self.lose(state, director, session);
                }
            }
            Answer::Written(value) => {
                it.under_way.retain(|it| *it != value);
                self.complete(state, director, session, value);
                self.tell_all(state, director, VecDeque::new());
            }
        }
        self.forget_connections(state);
        true
    }

    fn lose(&self, state: &mut State, director: Id, session: Session) {
        if let Some(it) = state.storage.connection_mut(session) {
            it.requests.clear();
        }
        if let Some(home) = &mut state.director_mut(director).vhba {
            home.session.take_if(|it| *it == session);
        }
    }
}

fn domain(epoch: u8) -> DomainEpoch {
    DomainEpoch(epoch.into())
}

fn session_of(state: &State, director: Id) -> Option<&Connection> {
    state.storage.connection(state.director(director).vhba.as_ref()?.session?)
}

fn request(state: &mut State, director: Id, request: Request) {
    if let Some(session) = session_of(state, director).map(|it| it.session)
        && let Some(it) = state.storage.connection_mut(session)
    {
        it.requests.push(request);
    }
}

fn answer(state: &mut State, session: Session, heard: Heard) {
    if let Some(it) = state.storage.connection_mut(session).filter(|it| !it.cut) {
        it.answers.push(Answer::Heard(heard));
    }
}

/// After a hold, when nothing is under way any more.
fn drained(state: &mut State, director: Id) -> Option<Told> {
    let (login, busy) = session_of(state, director).map(|it| (it.login, !it.under_way.is_empty()))?;
    let home = state.director_mut(director).vhba.as_mut()?;
    if busy || !std::mem::replace(&mut home.holding, false) {
        return None;
    }
    Some(Told::Session { login, heard: Heard::Drained })
}

/// The lowest number that nobody knows as a session any more.
fn unused(state: &State) -> Session {
    let storage = &state.storage;
    let homes = state.directors.iter().filter_map(|it| it.vhba.as_ref()?.session);
    let servers = state.servers.iter().filter_map(|it| it.attached.map(|it| it.session));
    let taken = storage.taken.iter().map(|it| it.session).chain(storage.sessions.iter().copied());
    let resets = storage.resets.iter().flat_map(|it| it.ends.iter().map(|it| it.session).chain([it.session]));
    let passing =
        storage.commands.iter().map(|it| it.to.session).chain(storage.completions.iter().map(|it| it.from.session));
    let connections = storage.connections.iter().map(|it| it.session);
    let known: BTreeSet<Session> =
        homes.chain(servers).chain(taken).chain(passing).chain(resets).chain(connections).collect();
    (0..).find(|it| !known.contains(it)).expect("there are few sessions")
}
