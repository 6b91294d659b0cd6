//! What the whole world is at one moment. Everything is small and ordered, so that two ways to the same world are seen to be one.

use std::sync::Arc;

use twinrail_failover::agent::{Agent, Memory};
use twinrail_failover::release::Releases;
use twinrail_failover::takeover::{Heard, LoginNumber, Takeover};

use super::failover::hash_of;
use super::properties::Property;

pub const DIRECTORS: u8 = 3;

/// A director or a server by its number, from 0.
pub type Id = u8;
pub type Epoch = u8;
/// A session at the array, or the attempt at one.
pub type Session = u8;
/// What a write writes: each is one more than the one before.
pub type Value = u8;

#[derive(Clone, Debug, Hash)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "states are equal when their hashes are")]
pub struct State {
    /// What is committed, one entry a change. A revision is a place in it.
    pub record: Vec<Entry>,
    /// The leader's.
    pub releases: Arc<Releases>,
    pub directors: [Director; DIRECTORS as usize],
    pub servers: Vec<Server>,
    /// From servers towards the LAN.
    pub ups: Vec<Up>,
    /// From the LAN towards servers.
    pub downs: Vec<Down>,
    pub storage: Storage,
    pub spent: Spent,
    pub violated: Option<Property>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub home: Id,
    pub epoch: Epoch,
    pub server: Id,
    /// Its server is to let go of it, for that one.
    pub releasing_to: Option<Id>,
}

#[derive(Clone, Debug, Hash)]
pub struct Director {
    pub alive: bool,
    /// The place in the record up to which its tables show it.
    pub applied: u8,
    pub lease: bool,
    pub grant: Option<Grant>,
    pub vhba: Option<VhbaHome>,
    /// Carries ahead of the commit for this epoch, and for this server: only where a rule is off.
    pub ahead: Option<(Epoch, Id)>,
}

/// Under way to its director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// What its round found committed.
    pub commit: u8,
    /// The question that had been asked when its round began.
    pub answers: Option<u64>,
}

/// The vHBA at a director that is its home.
#[derive(Clone, Debug, Hash)]
pub struct VhbaHome {
    pub takeover: Arc<Takeover>,
    pub epoch: Epoch,
    pub server: Id,
    pub letting_go: bool,
    pub session: Option<Session>,
    pub question: Option<u64>,
    pub admitted: bool,
    pub holding: bool,
}

#[derive(Clone, Debug, Hash)]
pub struct Server {
    pub agent: Arc<Agent>,
    /// On its disk.
    pub saved: Memory,
    /// What a crash at the wrong moment leaves on its disk instead.
    pub saved_before: Memory,
    /// Switched ahead of the commit: to whom, from which epoch.
    pub ahead: Option<(Id, Epoch)>,
    /// The newest epoch under which it has sent or received.
    pub newest: Epoch,
    /// The revision of the profile in the acknowledgement of its release; it is said again and again.
    pub acknowledged: Option<u64>,
    /// Which life of its process.
    pub life: u8,
    /// The session of its home that it is admitted by.
    pub attached: Option<Attached>,
    /// The write that has no answer yet.
    pub outstanding: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attached {
    pub home: Id,
    pub epoch: Epoch,
    pub session: Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Up {
    pub server: Id,
    pub director: Id,
    pub epoch: Epoch,
    /// Its server had sent or received under a newer epoch before it sent this.
    pub late: bool,
    /// Its server has let go of the profile since.
    pub let_go: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Down {
    pub director: Id,
    pub server: Id,
    pub epoch: Epoch,
}

/// The array, and what is on the way to it and from it. One LUN of one block.
#[derive(Clone, Debug, Default, Hash)]
pub struct Storage {
    /// One, unless a rule is off.
    pub sessions: Vec<Session>,
    pub connections: Vec<Connection>,
    /// Taken by the array, and not executed yet.
    pub taken: Vec<Write>,
    /// Asked for, and not done yet.
    pub resets: Vec<Reset>,
    pub block: Value,
    /// The newest epoch of which it has taken a write.
    pub newest: Epoch,
    /// From servers to homes.
    pub commands: Vec<Command>,
    /// From homes to servers.
    pub completions: Vec<Completion>,
    /// The newest that was issued, and the newest that its initiator knows to be done.
    pub issued: Value,
    pub acknowledged: Value,
}

/// Of a director to the array: requests and answers keep their order.
#[derive(Clone, Debug, Hash)]
pub struct Connection {
    pub session: Session,
    pub director: Id,
    pub login: LoginNumber,
    /// The newest epoch that was committed when its login was answered.
    pub newest: Epoch,
    pub cut: bool,
    pub requests: Vec<Request>,
    pub answers: Vec<Answer>,
    /// The initiator that commands are of.
    pub initiator: Option<(Id, u8)>,
    /// Passed, and not completed yet.
    pub under_way: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    LogIn,
    ResetLun,
    Write(Write),
    LogOut,
    /// The connection was closed behind what had been sent.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Write {
    pub session: Session,
    pub epoch: Epoch,
    pub value: Value,
}

/// What it ends is what had been taken when it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reset {
    pub session: Session,
    pub ends: Vec<Write>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Heard(Heard),
    Written(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command {
    pub server: Id,
    pub life: u8,
    pub to: Attached,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Completion {
    pub server: Id,
    pub life: u8,
    pub from: Attached,
    pub value: Value,
}

/// What has been used up of the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    pub home_changes: u8,
    pub moves: u8,
    pub kills: u8,
    pub lapses: u8,
    pub breaks: u8,
    pub agent_restarts: u8,
}

/// As the checker compares them, which knows states by their hashes.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        hash_of(self) == hash_of(other)
    }
}

impl State {
    pub fn newest(&self) -> Entry {
        *self.record.last().expect("the record begins with an entry")
    }

    pub fn last(&self) -> u8 {
        self.record.len() as u8 - 1
    }

    /// What the tables of a director show.
    pub fn shown(&self, director: Id) -> Entry {
        self.record[usize::from(self.director(director).applied)]
    }

    pub fn director(&self, director: Id) -> &Director {
        &self.directors[usize::from(director)]
    }

    pub fn director_mut(&mut self, director: Id) -> &mut Director {
        &mut self.directors[usize::from(director)]
    }

    pub fn server(&self, server: Id) -> &Server {
        &self.servers[usize::from(server)]
    }

    pub fn server_mut(&mut self, server: Id) -> &mut Server {
        &mut self.servers[usize::from(server)]
    }
}

impl Storage {
    pub fn connection(&self, session: Session) -> Option<&Connection> {
        self.connections.iter().find(|it| it.session == session)
    }

    pub fn connection_mut(&mut self, session: Session) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.session == session)
    }
}
