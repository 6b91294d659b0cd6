//! The server that writes: it sends again what had no answer, to each session of its home that admits it.

use super::failover::Failover;
use super::properties::Event;
use super::rules::Rule;
use super::state::{Attached, Command, Completion, Id, Request, Session, State, Value, Write};

impl Failover {
    /// The home that a server was told of admits it, if it admits anybody.
    pub(super) fn attach(&self, state: &mut State, server: Id) -> bool {
        let it = state.server(server);
        let Some(attached) = self.admitted_at(state, server) else { return false };
        if it.attached == Some(attached) {
            return false;
        }
        let initiator = (server, it.life);
        let others_done = |it: &super::state::Connection| {
            it.initiator == Some(initiator) || it.under_way.is_empty() || self.without(Rule::Incarnation)
        };
        let Some(connection) = state.storage.connection_mut(attached.session).filter(|it| others_done(it)) else {
            return false;
        };
        connection.initiator = Some(initiator);
        let it = state.server_mut(server);
        it.attached = Some(attached);
        if let Some(value) = it.outstanding {
            self.seen.note(Event::Replayed);
            command(state, server, value);
        }
        true
    }

    fn admitted_at(&self, state: &State, server: Id) -> Option<Attached> {
        let (home, epoch) = state.server(server).vhba_route()?;
        let it = state.director(home);
        let vhba = it
            .vhba
            .as_ref()
            .filter(|vhba| it.lease && vhba.admitted && vhba.epoch == epoch && vhba.server == server)?;
        Some(Attached { home, epoch, session: vhba.session? })
    }

    pub(super) fn write(&self, state: &mut State, server: Id) -> bool {
        let it = state.server(server);
        let may = it.attached.is_some() && it.outstanding.is_none() && state.storage.issued < self.bounds.writes;
        if may {
            state.storage.issued += 1;
            let value = state.storage.issued;
            state.server_mut(server).outstanding = Some(value);
            command(state, server, value);
        }
        may
    }

    pub(super) fn pass_command(&self, state: &mut State, command: usize) -> bool {
        let Command { server, life, to, value } = state.storage.commands.remove(command);
        let it = state.director(to.home);
        let any = self.without(Rule::CommandInstance);
        let session = it.vhba.as_ref().filter(|_| it.alive && it.lease).and_then(|vhba| {
            let own = vhba.epoch == to.epoch && vhba.server == server && vhba.session == Some(to.session);
            (vhba.admitted && (own || any)).then_some((vhba.session?, vhba.epoch))
        });
        let Some((session, epoch)) = session else {
            self.seen.note(Event::OldCommand);
            return true;
        };
        let Some(connection) = state.storage.connection_mut(session) else { return true };
        if connection.initiator == Some((server, life)) || any {
            connection.under_way.push(value);
            connection.requests.push(Request::Write(Write { session, epoch, value }));
        }
        true
    }

    pub(super) fn complete(&self, state: &mut State, director: Id, session: Session, value: Value) {
        let initiator = state.storage.connection(session).and_then(|it| it.initiator);
        let epoch = state.director(director).vhba.as_ref().map(|it| it.epoch);
        if let (Some((server, life)), Some(epoch)) = (initiator, epoch) {
            let from = Attached { home: director, epoch, session };
            state.storage.completions.push(Completion { server, life, from, value });
            state.storage.completions.sort_unstable();
        }
    }

    pub(super) fn pass_completion(&self, state: &mut State, completion: usize) -> bool {
        let Completion { server, life, from, value } = state.storage.completions.remove(completion);
        let it = state.server_mut(server);
        if it.life == life && it.attached == Some(from) && it.outstanding == Some(value) {
            it.outstanding = None;
            state.storage.acknowledged = state.storage.acknowledged.max(value);
            self.check_block(state);
        }
        true
    }
}

fn command(state: &mut State, server: Id, value: Value) {
    let it = state.server(server);
    let (Some(to), life) = (it.attached, it.life) else { return };
    state.storage.commands.push(Command { server, life, to, value });
    state.storage.commands.sort_unstable();
}
