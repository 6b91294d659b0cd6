//! What machines say to each other.

use std::rc::Rc;

use twinrail_failover::agent;
use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail, Revision};
use twinrail_raft_store::state::Operation;

use super::consensus;

#[derive(Clone, Debug)]
pub enum Message {
    Raft(consensus::Message),
    /// `life` of the one who asks: what an earlier process was granted is nothing to the next.
    AskLease {
        life: u32,
        sequence: u64,
        enforced: Revision,
    },
    GrantLease {
        life: u32,
        sequence: u64,
        commit: Revision,
    },
    /// A call of the API, from a client, or passed on to the leader.
    Call(Rc<Call>),
    Answered {
        call: u64,
        answer: Answer,
    },
    AskIndex {
        question: u64,
    },
    Index {
        question: u64,
        index: u64,
    },
    /// An agent attaches: in a new stream.
    Attach,
    Assigned(Rc<Assigned>),
    Said(Said),
    Frame(Frame),
    /// The server follows this epoch.
    Ready {
        adapter: AdapterId,
        epoch: Epoch,
    },
    Disk(DiskMessage),
}

/// One call, the same in every attempt.
#[derive(Clone, Debug)]
pub struct Call {
    pub client: u8,
    pub number: u64,
    pub request: String,
    pub intent: Intent,
}

#[derive(Clone, Debug)]
pub enum Intent {
    Apply(Operation),
    Rebalance,
    MoveHome {
        profile: Name,
        to: Name,
    },
    SetDrained {
        director: Name,
        drained: bool,
    },
    /// The value of a register, as it is now.
    Read {
        register: Name,
    },
    /// The revisions after this one.
    Watch {
        after: Revision,
    },
}

#[derive(Clone, Debug)]
pub enum Answer {
    Done {
        revision: Revision,
    },
    Rejected,
    Value(Option<u32>),
    /// The revisions that changed something, and up to where that is all of them.
    Revisions {
        after: Revision,
        revisions: Vec<u64>,
        upto: Revision,
    },
    Compacted {
        upto: Revision,
    },
}

/// What a director tells a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    pub assignment: agent::Assignment,
    /// What else of the adapters the server needs to know.
    pub devices: Vec<(AdapterId, Device)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Vnic { mac: u64 },
    Vhba { wwpn: u64 },
}

#[derive(Clone, Debug)]
pub enum Said {
    Paths(Vec<(Name, Rail, bool)>),
    Released { profile: Name, revision: Revision },
}

/// An Ethernet frame of one vNIC, on a rail.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub adapter: AdapterId,
    pub epoch: Epoch,
    /// Source towards the LAN, destination towards the server.
    pub mac: u64,
    pub kind: FrameKind,
    /// When the server, or the host on the LAN, sent it.
    pub sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Asks the other side to answer.
    Ping,
    Pong,
}

/// Between a server and the home of a vHBA.
#[derive(Clone, Copy, Debug)]
pub enum DiskMessage {
    /// `incarnation`: of the agent that asks.
    Attach {
        adapter: AdapterId,
        epoch: Epoch,
        incarnation: u64,
    },
    Attached {
        adapter: AdapterId,
        epoch: Epoch,
        instance: u64,
    },
    Command {
        adapter: AdapterId,
        epoch: Epoch,
        instance: u64,
        command: Command,
    },
    Completed {
        adapter: AdapterId,
        epoch: Epoch,
        instance: u64,
        order: u64,
        value: Option<u64>,
    },
}

/// A read or a write of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its place among the commands of its initiator.
    pub order: u64,
    pub block: u8,
    /// What to write; None: read.
    pub write: Option<u64>,
}
