//! What may happen next, and how it is told.

use std::fmt::Write as _;

use super::failover::Failover;
use super::rules::Rule;
use super::state::{Answer, DIRECTORS, Id, Request, Session, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    ChangeHome {
        to: Id,
    },
    Release {
        to: Id,
    },
    /// The leader looks whether a release is over, and completes it.
    LookAtRelease,
    /// The acknowledgement of a server reaches the leader.
    Acknowledge {
        server: Id,
    },

    Apply {
        director: Id,
    },
    /// A quorum round grants it a lease; the grant is on its way.
    Round {
        director: Id,
    },
    TakeGrant {
        director: Id,
    },
    /// Its lease, or the one that is on its way, is over.
    Lapse {
        director: Id,
    },
    Kill {
        director: Id,
    },
    Restart {
        director: Id,
    },

    /// A director tells a server what it has.
    Assign {
        director: Id,
        server: Id,
    },
    /// The wait for the new home's word is over, or there is no path to the old one.
    Follow {
        server: Id,
    },
    SwitchAhead {
        server: Id,
        to: Id,
    },
    SwitchBack {
        server: Id,
    },
    RestartAgent {
        server: Id,
        lost: bool,
    },

    Send {
        server: Id,
    },
    PassUp {
        frame: usize,
    },
    SendDown {
        director: Id,
    },
    PassDown {
        frame: usize,
    },

    /// The array takes the next request of a connection.
    AtArray {
        session: Session,
    },
    /// A director hears the next answer.
    FromArray {
        session: Session,
    },
    Execute {
        write: usize,
    },
    FinishReset {
        reset: usize,
    },
    /// The network or the array ends a session.
    Break {
        session: Session,
    },
    /// The time comes that the takeover has set itself.
    Retry {
        director: Id,
    },
    Attach {
        server: Id,
    },
    Write {
        server: Id,
    },
    PassCommand {
        command: usize,
    },
    PassCompletion {
        completion: usize,
    },
}

impl Failover {
    pub(super) fn possible(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        if state.violated.is_some() {
            return actions;
        }
        self.of_record(state, &mut actions);
        (0..DIRECTORS).for_each(|director| self.of_director(state, director, &mut actions));
        (0..self.bounds.servers).for_each(|server| self.of_server(state, server, &mut actions));
        if self.bounds.vnic {
            self.of_frames(state, &mut actions);
        }
        if self.bounds.vhba {
            self.of_storage(state, &mut actions);
        }
        actions
    }

    fn of_record(&self, state: &State, actions: &mut Vec<Action>) {
        let entry = state.newest();
        if state.spent.home_changes < self.bounds.home_changes {
            let others = (0..DIRECTORS).filter(|it| *it != entry.home);
            actions.extend(others.map(|to| Action::ChangeHome { to }));
        }
        if entry.releasing_to.is_some() {
            actions.push(Action::LookAtRelease);
        } else if state.spent.moves < self.bounds.moves {
            let others = (0..self.bounds.servers).filter(|it| *it != entry.server);
            actions.extend(others.map(|to| Action::Release { to }));
        }
    }

    fn of_director(&self, state: &State, director: Id, actions: &mut Vec<Action>) {
        let it = state.director(director);
        if !it.alive {
            return actions.push(Action::Restart { director });
        }
        if it.applied < state.last() {
            actions.push(Action::Apply { director });
        }
        // A renewal of a lease that lives, and answers nothing, changes nothing.
        let asks = it.vhba.as_ref().is_some_and(|it| it.question.is_some());
        let tells = state.newest().releasing_to.is_some() && it.applied == state.last();
        let renews = !it.lease || asks || tells || self.without(Rule::ConfirmationOrder);
        if it.grant.is_none() && renews {
            actions.push(Action::Round { director });
        }
        if it.grant.is_some() {
            actions.push(Action::TakeGrant { director });
        }
        // The lease of a director that carries nothing matters to releases alone.
        let matters = state.shown(director).home == director || state.newest().releasing_to.is_some();
        if matters && (it.lease || it.grant.is_some()) && state.spent.lapses < self.bounds.lapses {
            actions.push(Action::Lapse { director });
        }
        if state.spent.kills < self.bounds.kills {
            actions.push(Action::Kill { director });
        }
        if self.bounds.vnic && state.downs.len() < usize::from(self.bounds.downs) {
            actions.push(Action::SendDown { director });
        }
        if it.vhba.as_ref().is_some_and(|it| it.takeover.next_deadline().is_some()) {
            actions.push(Action::Retry { director });
        }
    }

    fn of_server(&self, state: &State, server: Id, actions: &mut Vec<Action>) {
        actions.extend((0..DIRECTORS).map(|director| Action::Assign { director, server }));
        let it = state.server(server);
        if it.agent.next_deadline().is_some() {
            actions.push(Action::Follow { server });
        }
        if it.acknowledged.is_some() && state.newest().releasing_to.is_some() {
            actions.push(Action::Acknowledge { server });
        }
        if self.bounds.ahead {
            actions.extend((0..DIRECTORS).map(|to| Action::SwitchAhead { server, to }));
            actions.extend(it.ahead.map(|_| Action::SwitchBack { server }));
        }
        if state.spent.agent_restarts < self.bounds.agent_restarts {
            actions.push(Action::RestartAgent { server, lost: false });
            if self.bounds.lost_saves && it.saved != it.saved_before {
                actions.push(Action::RestartAgent { server, lost: true });
            }
        }
        if self.bounds.vnic && state.ups.len() < usize::from(self.bounds.ups) {
            actions.push(Action::Send { server });
        }
        if self.bounds.vhba {
            actions.extend([Action::Attach { server }, Action::Write { server }]);
        }
    }

    fn of_frames(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend((0..state.ups.len()).map(|frame| Action::PassUp { frame }));
        actions.extend((0..state.downs.len()).map(|frame| Action::PassDown { frame }));
    }

    fn of_storage(&self, state: &State, actions: &mut Vec<Action>) {
        let storage = &state.storage;
        for it in &storage.connections {
            let session = it.session;
            if !it.requests.is_empty() {
                actions.push(Action::AtArray { session });
            }
            if !it.answers.is_empty() {
                actions.push(Action::FromArray { session });
            }
            if state.spent.breaks < self.bounds.breaks && storage.sessions.contains(&session) && !it.cut {
                actions.push(Action::Break { session });
            }
        }
        actions.extend((0..storage.taken.len()).map(|write| Action::Execute { write }));
        actions.extend((0..storage.resets.len()).map(|reset| Action::FinishReset { reset }));
        actions.extend((0..storage.commands.len()).map(|command| Action::PassCommand { command }));
        actions.extend((0..storage.completions.len()).map(|completion| Action::PassCompletion { completion }));
    }
}

/// One line of a story. In one state no two actions have the same.
pub fn tell(state: &State, action: Action) -> String {
    let d = |id: Id| format!("d{}", id + 1);
    let s = |id: Id| format!("s{}", id + 1);
    let owner =
        |session: Session| state.storage.connection(session).map_or("a dead home".to_owned(), |it| d(it.director));
    match action {
        Action::ChangeHome { to } => format!("commit: {} is the home", d(to)),
        Action::Release { to } => format!("commit: {} is to let go, for {}", s(state.newest().server), s(to)),
        Action::LookAtRelease => "the leader looks whether the release is over".to_owned(),
        Action::Acknowledge { server } => format!("the leader hears that {} has let go", s(server)),
        Action::Apply { director } => {
            let next = state.record[usize::from(state.director(director).applied) + 1];
            let mut line =
                format!("{} applies: home {}, epoch {}, {}", d(director), d(next.home), next.epoch, s(next.server));
            if let Some(to) = next.releasing_to {
                let _ = write!(line, " lets go for {}", s(to));
            }
            line
        }
        Action::Round { director } => format!("a quorum round grants {} a lease", d(director)),
        Action::TakeGrant { director } => format!("{} takes its grant", d(director)),
        Action::Lapse { director } => format!("the lease of {} runs out", d(director)),
        Action::Kill { director } => format!("{} loses its power", d(director)),
        Action::Restart { director } => format!("{} starts again", d(director)),
        Action::Assign { director, server } => {
            let it = state.shown(director);
            format!("{} tells {}: home {}, epoch {}, {}", d(director), s(server), d(it.home), it.epoch, s(it.server))
        }
        Action::Follow { server } => format!("{} waits no longer for the word of its new home", s(server)),
        Action::SwitchAhead { server, to } => format!("{} switches to {}, ahead of the commit", s(server), d(to)),
        Action::SwitchBack { server } => format!("{} switches back to the committed home", s(server)),
        Action::RestartAgent { server, lost: false } => format!("the agent of {} starts again", s(server)),
        Action::RestartAgent { server, lost: true } => {
            format!("the agent of {} starts again, without what it saved last", s(server))
        }
        Action::Send { server } => format!("{} sends a frame", s(server)),
        Action::PassUp { frame } => {
            let it = state.ups[frame];
            format!("the frame of {} in epoch {} reaches {}{}", s(it.server), it.epoch, d(it.director), number(frame))
        }
        Action::SendDown { director } => format!("{} sends a frame from the LAN to its server", d(director)),
        Action::PassDown { frame } => {
            let it = state.downs[frame];
            format!("the frame of {} in epoch {} reaches {}{}", d(it.director), it.epoch, s(it.server), number(frame))
        }
        Action::AtArray { session } => {
            let request = state.storage.connection(session).and_then(|it| it.requests.first());
            let what = match request {
                Some(Request::LogIn) => "login".to_owned(),
                Some(Request::ResetLun) => "LUN RESET".to_owned(),
                Some(Request::Write(it)) => format!("write {} in epoch {}", it.value, it.epoch),
                Some(Request::LogOut) => "logout".to_owned(),
                Some(Request::End) | None => "end of the connection".to_owned(),
            };
            format!("the array gets the {what} of {}{}", owner(session), number(session.into()))
        }
        Action::FromArray { session } => {
            let answer = state.storage.connection(session).and_then(|it| it.answers.first());
            let what = match answer {
                Some(Answer::Heard(heard)) => format!("{heard:?}"),
                Some(Answer::Written(value)) => format!("write {value} is done"),
                None => "nothing".to_owned(),
            };
            let what = what.split(" {").next().unwrap_or_default().to_owned();
            format!("{} hears from the array: {what}{}", owner(session), number(session.into()))
        }
        Action::Execute { write } => {
            let it = state.storage.taken[write];
            format!("the array executes write {} of epoch {}{}", it.value, it.epoch, number(write))
        }
        Action::FinishReset { reset } => {
            let it = &state.storage.resets[reset];
            format!("the array has done the LUN RESET of {}{}", owner(it.session), number(reset))
        }
        Action::Break { session } => format!("the session of {} breaks{}", owner(session), number(session.into())),
        Action::Retry { director } => format!("{}: its time to try again has come", d(director)),
        Action::Attach { server } => format!("{} attaches to its home", s(server)),
        Action::Write { server } => format!("{} writes {}", s(server), state.storage.issued + 1),
        Action::PassCommand { command } => {
            let it = state.storage.commands[command];
            format!(
                "write {} of {} reaches {} in epoch {}{}",
                it.value,
                s(it.server),
                d(it.to.home),
                it.to.epoch,
                number(command)
            )
        }
        Action::PassCompletion { completion } => {
            let it = state.storage.completions[completion];
            format!(
                "{} hears from {} that write {} is done{}",
                s(it.server),
                d(it.from.home),
                it.value,
                number(completion)
            )
        }
    }
}

/// Tells those apart that are otherwise alike.
fn number(place: usize) -> String {
    if place == 0 { String::new() } else { format!(" #{place}") }
}
