//! The vHBAs of which this director is the home: what `failover::takeover` decides, done at the array, and the commands of
//! their servers. As in the product each login is an instance of its own, and the agent that attaches to it replays by itself.

mod effects;

use std::collections::BTreeMap;

use twinrail_failover::Moment;
use twinrail_failover::takeover::{Assignment, Event, FencedBy, Heard, Identity, LoginNumber, Takeover};
use twinrail_proto::domain::{AdapterId, Carriage as Bound, Epoch, Wwn};

use super::Director;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::message::{Command, DiskMessage, Message};
use crate::sim::network::Node;
use crate::sim::observation::Observation;
use crate::sim::san::{self, Answer, Connection, Request};

#[derive(Debug, Default)]
pub(super) struct Vhbas {
    homes: BTreeMap<AdapterId, Home>,
    sessions: u64,
    /// While it is not known whether this director may carry, nothing moves.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Server(u8, DiskMessage),
    Array(Connection, Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    epoch: Epoch,
    server: u8,
    wwpn: Wwn,
    letting_go: bool,
}

#[derive(Debug)]
struct Home {
    takeover: Takeover,
    wanted: Wanted,
    lease: bool,
    session: Option<Session>,
    question: Option<(u64, Moment)>,
    admitted: bool,
}

#[derive(Debug)]
struct Session {
    number: u64,
    login: LoginNumber,
    /// Until the login is answered.
    give_up: Option<Moment>,
    holding: bool,
    told_drained: bool,
    /// Commands of the server by their orders: under way, or done with this result.
    executions: BTreeMap<u64, Option<Option<u64>>>,
    /// The agent that they are of. Another one is admitted when they are all done: its writes must not be overtaken by theirs.
    incarnation: Option<u64>,
}

impl Vhbas {
    pub fn admits(&self, adapter: AdapterId, epoch: Epoch) -> bool {
        self.homes.get(&adapter).is_some_and(|it| it.admitted && it.wanted.epoch == epoch)
    }

    /// The process is gone, and with it its connections.
    pub fn die(&mut self, director: u8, life: u32, ctx: &mut Context) {
        for (&adapter, home) in &self.homes {
            if let Some(Session { number, .. }) = home.session {
                san::send(Connection { director, life, adapter, number }, Request::Cut, ctx);
            }
        }
    }
}

impl Director {
    pub(super) fn follow_vhba_table(&mut self, ctx: &mut Context) {
        let wanted = self.wanted_vhbas(ctx);
        let gone: Vec<AdapterId> = self.vhbas.homes.keys().filter(|it| !wanted.contains_key(it)).copied().collect();
        for adapter in gone {
            self.drop_session(adapter, ctx);
            self.vhbas.homes.remove(&adapter);
        }
        let live = self.lease.lives(self.now(ctx));
        for (adapter, wanted) in wanted {
            let before = self.vhbas.homes.get_mut(&adapter).map(|it| std::mem::replace(&mut it.wanted, wanted));
            match before {
                Some(before) if before == wanted => continue,
                // It is kept after all.
                Some(before) if before.epoch == wanted.epoch && before.letting_go && !wanted.letting_go => {
                    self.drop_session(adapter, ctx);
                    self.vhbas.homes.insert(adapter, Home::new(wanted));
                    self.set_vhba_lease(adapter, live, ctx);
                }
                Some(_) => {}
                None => {
                    self.vhbas.homes.insert(adapter, Home::new(wanted));
                    self.set_vhba_lease(adapter, live, ctx);
                }
            }
            self.follow_vhba(adapter, wanted, ctx);
        }
    }

    fn wanted_vhbas(&mut self, ctx: &Context) -> BTreeMap<AdapterId, Wanted> {
        let mut wanted = BTreeMap::new();
        for profile in self.state.profiles().values().map(|it| &it.value) {
            let (server, letting_go) = match profile.carriage() {
                Bound::Carry(server) => (server, false),
                Bound::Hold(server) => (server, true),
                Bound::Idle => continue,
            };
            let Some(server) = ctx.names.server(server) else { continue };
            for vhba in profile.vhbas.values().filter(|it| it.home.director.as_ref() == Some(&self.name)) {
                let epoch = self.carriage.epoch_of(vhba.id, vhba.home.epoch, ctx);
                wanted.insert(vhba.id, Wanted { epoch, server, wwpn: vhba.wwpn, letting_go });
            }
        }
        wanted
    }

    fn follow_vhba(&mut self, adapter: AdapterId, wanted: Wanted, ctx: &mut Context) {
        let Wanted { epoch, server, wwpn, letting_go } = wanted;
        if letting_go {
            return self.tell_vhba(adapter, Event::LetGo(epoch), ctx);
        }
        ctx.observe(&Observation::TableCarries { director: self.me, adapter, epoch, server });
        let identity = Identity { wwpn, session: [1; 6] };
        let (fenced_by, registrations) = (FencedBy::LunReset, BTreeMap::new());
        let assignment = Assignment { epoch, identity, fenced_by, registrations };
        self.tell_vhba(adapter, Event::Assigned(assignment), ctx);
    }

    pub(super) fn tick_vhbas(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        if self.lease.waits(now) {
            return;
        }
        let live = self.lease.lives(now);
        let adapters: Vec<AdapterId> = self.vhbas.homes.keys().copied().collect();
        for &adapter in &adapters {
            self.set_vhba_lease(adapter, live, ctx);
        }
        for waiting in std::mem::take(&mut self.vhbas.waiting) {
            match waiting {
                Waiting::Server(server, message) => self.on_disk_message(server, message, ctx),
                Waiting::Array(connection, answer) => self.on_array(connection, answer, ctx),
            }
        }
        for adapter in adapters {
            let Some(home) = self.vhbas.homes.get_mut(&adapter) else { continue };
            let given_up = home.session.as_mut().and_then(|it| it.give_up.take_if(|at| now >= *at).map(|_| it.login));
            let due = home.takeover.next_deadline().is_some_and(|at| at <= now);
            if let Some(login) = given_up {
                self.tell_vhba(adapter, Event::Session { login, heard: Heard::LoginTimedOut }, ctx);
            }
            if due {
                self.tell_vhba(adapter, Event::Tick, ctx);
            }
        }
    }

    fn set_vhba_lease(&mut self, adapter: AdapterId, live: bool, ctx: &mut Context) {
        let Some(home) = self.vhbas.homes.get_mut(&adapter) else { return };
        if std::mem::replace(&mut home.lease, live) != live {
            self.tell_vhba(adapter, if live { Event::LeaseLive } else { Event::LeaseLapsed }, ctx);
        }
    }

    /// A lease was granted that had been asked for then, and what its round found committed is in the table.
    pub(super) fn vhbas_granted(&mut self, asked_at: Moment, ctx: &mut Context) {
        self.tick_vhbas(ctx);
        let adapters: Vec<AdapterId> = self.vhbas.homes.keys().copied().collect();
        for adapter in adapters {
            let Some(home) = self.vhbas.homes.get_mut(&adapter) else { continue };
            if let Some((number, _)) = home.question.take_if(|(_, at)| *at < asked_at) {
                self.tell_vhba(adapter, Event::Confirmed { number }, ctx);
            }
        }
    }

    pub fn on_array(&mut self, connection: Connection, answer: Answer, ctx: &mut Context) {
        let now = self.now(ctx);
        if self.lease.waits(now) {
            return self.vhbas.waiting.push(Waiting::Array(connection, answer));
        }
        let Connection { adapter, number, life, .. } = connection;
        let Some(home) = self.vhbas.homes.get_mut(&adapter) else { return };
        let epoch = home.wanted.epoch;
        let Some(session) = home.session.as_mut().filter(|it| it.number == number && life == self.life) else { return };
        match answer {
            Answer::Heard(heard) => {
                session.give_up = None;
                let login = session.login;
                if heard == Heard::LoggedIn {
                    ctx.observe(&Observation::LoggedIn { director: self.me, adapter, session: number });
                }
                self.tell_vhba(adapter, Event::Session { login, heard }, ctx);
            }
            Answer::Completed { order, value } => {
                session.executions.insert(order, Some(value));
                let message = DiskMessage::Completed { adapter, epoch, instance: number, order, value };
                let server = Node::Server(home.wanted.server);
                ctx.stream(Node::Director(self.me), server, Message::Disk(message));
                self.tell_drained(adapter, ctx);
            }
        }
    }

    /// A server attaches, or wants something done.
    pub(super) fn on_disk_message(&mut self, server: u8, message: DiskMessage, ctx: &mut Context) {
        if self.lease.waits(self.now(ctx)) {
            return self.vhbas.waiting.push(Waiting::Server(server, message));
        }
        let (DiskMessage::Attach { adapter, epoch, .. } | DiskMessage::Command { adapter, epoch, .. }) = message else {
            return;
        };
        let may_carry = self.may_carry(ctx);
        let Some(home) = self.vhbas.homes.get_mut(&adapter) else { return };
        let right = home.wanted.epoch == epoch && (home.wanted.server == server || ctx.has(Bug::NoIsolation));
        let Some(session) = home.session.as_mut().filter(|_| right && home.admitted && may_carry) else { return };
        let reply = match message {
            DiskMessage::Command { instance, command, .. } if instance == session.number => {
                match session.executions.get(&command.order) {
                    None => return self.execute(adapter, command, ctx),
                    Some(None) => return,
                    Some(&Some(value)) => {
                        DiskMessage::Completed { adapter, epoch, instance, order: command.order, value }
                    }
                }
            }
            DiskMessage::Attach { incarnation, .. } => {
                if session.incarnation.is_some_and(|it| it != incarnation) {
                    if session.executions.values().any(Option::is_none) {
                        return;
                    }
                    session.executions.clear();
                }
                session.incarnation = Some(incarnation);
                DiskMessage::Attached { adapter, epoch, instance: session.number }
            }
            _ => return,
        };
        ctx.stream(Node::Director(self.me), Node::Server(server), Message::Disk(reply));
    }

    fn execute(&mut self, adapter: AdapterId, command: Command, ctx: &mut Context) {
        let (director, life) = (self.me, self.life);
        let Some(home) = self.vhbas.homes.get_mut(&adapter) else { return };
        let Some(session) = &mut home.session else { return };
        session.executions.insert(command.order, None);
        let connection = Connection { director, life, adapter, number: session.number };
        let Wanted { epoch, server, .. } = home.wanted;
        ctx.observe(&Observation::Acted { director });
        san::send(connection, Request::Command { epoch, server, command }, ctx);
    }
}

impl Home {
    fn new(wanted: Wanted) -> Self {
        let (takeover, session, question) = (Takeover::default(), None, None);
        Self { takeover, wanted, lease: false, session, question, admitted: false }
    }
}
