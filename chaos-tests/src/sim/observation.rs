//! What is seen from outside of all machines, where invariants look.

use twinrail_proto::domain::{AdapterId, Epoch, Revision};
use twinrail_raft_store::state::{Applied, Command, State};

use super::queue::Nanos;

#[derive(Debug)]
pub enum Observation<'a> {
    /// The first director applied the command of this index. `applied`: None for one that was refused.
    Committed {
        index: u64,
        state: &'a State,
        command: Option<&'a Command>,
        applied: Option<&'a Applied>,
    },
    /// Each director, each index: what was applied. `hash`: of the state after it, now and then.
    Applied {
        director: u8,
        index: u64,
        entry: u64,
        hash: Option<u64>,
    },
    /// A snapshot was taken for the state.
    Restored {
        director: u8,
        index: u64,
        hash: u64,
    },
    Elected {
        director: u8,
        term: u64,
    },
    /// A director starts: what it knew is gone.
    Started {
        director: u8,
    },
    /// A director's table says that it carries this adapter for this server.
    TableCarries {
        director: u8,
        adapter: AdapterId,
        epoch: Epoch,
        server: u8,
    },
    LeaseAsked {
        director: u8,
        sequence: u64,
        lease_ns: Nanos,
    },
    LeaseGranted {
        leader: u8,
        term: u64,
        director: u8,
        sequence: u64,
    },
    /// A director believes that it may carry until then.
    LeaseHeld {
        director: u8,
        until: Nanos,
    },
    /// A leader is sure that this director's lease has ended. What a former leader is sure of is never committed.
    LeaseEnded {
        term: u64,
        director: u8,
    },
    /// A director did something that only a lease allows.
    Acted {
        director: u8,
    },
    /// A frame left a director for the LAN. `server`: None for an announcement.
    ToLan {
        director: u8,
        adapter: AdapterId,
        epoch: Epoch,
        mac: u64,
        server: Option<u8>,
        sent: Nanos,
    },
    /// A frame went into a server's device.
    ToDevice {
        server: u8,
        adapter: AdapterId,
        epoch: Epoch,
        mac: u64,
    },
    /// A server follows this route from now on; an agent that starts begins anew.
    Follows {
        server: u8,
        adapter: AdapterId,
        epoch: Epoch,
    },
    AgentStarted {
        server: u8,
        epochs: Vec<(AdapterId, Epoch)>,
    },
    /// The array did a command.
    Executed {
        adapter: AdapterId,
        epoch: Epoch,
        login: u64,
        server: u8,
        block: u8,
        write: Option<u64>,
    },
    /// A home's login was answered.
    LoggedIn {
        director: u8,
        adapter: AdapterId,
        session: u64,
    },
    /// A home lets its server's commands pass.
    Admitted {
        director: u8,
        adapter: AdapterId,
        epoch: Epoch,
        session: u64,
    },
    /// An initiator wrote; `outcome`: Some(acknowledged) when it ended.
    BlockWrite {
        adapter: AdapterId,
        block: u8,
        value: u64,
        ended: Option<bool>,
    },
    BlockRead {
        adapter: AdapterId,
        block: u8,
        value: u64,
        since: Nanos,
    },
    CallBegan {
        client: u8,
        number: u64,
        what: CallKind,
    },
    CallEnded {
        client: u8,
        number: u64,
        end: CallEnd,
    },
    /// A watcher was told: all revisions after one up to another.
    Watched {
        client: u8,
        after: Revision,
        revisions: &'a [u64],
        upto: Revision,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallKind {
    Write { register: usize, value: u32 },
    Read { register: usize },
    Change { request: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    Done {
        revision: Revision,
    },
    Value(Option<u32>),
    Rejected,
    /// Nobody answered in time: it may have been done, or may be yet.
    Unknown,
}
