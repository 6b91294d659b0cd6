//! The models that are checked, by name, and for each rule the model that shows what it is there for.

use crate::nemesis::words::suggestion;

use super::bounds::Bounds;
use super::check::{Outcome, check};
use super::failover::Failover;
use super::lease::{LeaseBounds, LeaseModel};
use super::properties::{Event, Property, Seen};
use super::rules::Rule;
use super::story::{Ending, Told, replay};

/// A model within its bounds.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    pub name: &'static str,
    pub what: &'static str,
    pub kind: Kind,
    /// What must be seen, so that what holds does not hold for nothing.
    pub events: &'static [Event],
    /// Small enough for every run of the tests.
    pub small: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Failover(Bounds),
    Lease(LeaseBounds),
}

const FRAMES: Bounds = Bounds { vnic: true, ups: 1, downs: 1, lapses: u8::MAX, home_changes: 1, ..Bounds::NONE };
const DISK: Bounds = Bounds { vhba: true, writes: 2, home_changes: 1, ..Bounds::NONE };
const MOVE: Bounds = Bounds { vnic: true, servers: 2, moves: 1, ups: 1, downs: 0, lapses: 1, ..Bounds::NONE };
const DISK_MOVE: Bounds = Bounds { vhba: true, servers: 2, moves: 1, writes: 1, ..Bounds::NONE };

use Event::{
    Admitted, AgentRestarted, Ahead, AheadConfirmed, AheadOverruled, Delivered, DirectorRestarted, GrantWaits,
    HomeAlive, LateGrant, LateWrite, LeaseEnded, LoginOverLogin, MovedByAgent, MovedByLease, NoLease, OldAssignment,
    OldCommand, OldLeader, OldLogin, Passed, PassedNext, Refused, Replayed, ResetKills, ServerRefused, UnderWay,
    UnderWayMove,
};

const FRAME_EVENTS: &[Event] =
    &[HomeAlive, Passed, PassedNext, UnderWay, Refused, NoLease, Delivered, ServerRefused, OldAssignment, GrantWaits];
const DISK_EVENTS: &[Event] =
    &[HomeAlive, LoginOverLogin, ResetKills, Admitted, Replayed, OldCommand, LateWrite, OldAssignment, GrantWaits];

pub const ALL: &[Scope] = &[
    Scope {
        name: "lease",
        what: "holder, leader and next leader on clocks that differ by the margin; 6 ticks, 2 requests",
        kind: Kind::Lease(LeaseBounds { ticks: 6, requests: 2 }),
        events: &[LateGrant, OldLeader, LeaseEnded],
        small: true,
    },
    Scope {
        name: "frames",
        what: "a vNIC, 2 changes of its home, leases that lapse whenever they like, 1 frame each way under way",
        kind: Kind::Failover(Bounds { home_changes: 2, ..FRAMES }),
        events: FRAME_EVENTS,
        small: true,
    },
    Scope {
        name: "ahead",
        what: "a vNIC, 1 change of its home, an agent that switches ahead of the commit",
        kind: Kind::Failover(Bounds { ahead: true, ..FRAMES }),
        events: &[Ahead, AheadConfirmed, AheadOverruled, PassedNext],
        small: true,
    },
    Scope {
        name: "move",
        what: "a vNIC goes to a second server, 1 lapse of a lease, 1 frame under way",
        kind: Kind::Failover(MOVE),
        events: &[MovedByAgent, MovedByLease, Passed, PassedNext, UnderWayMove, Refused, NoLease],
        small: true,
    },
    Scope {
        name: "disk",
        what: "a vHBA, 1 change of its home, 2 writes",
        kind: Kind::Failover(DISK),
        events: DISK_EVENTS,
        small: true,
    },
    Scope {
        name: "both",
        what: "a vNIC and a vHBA that change their home together, 1 frame, 1 write",
        kind: Kind::Failover(Bounds { vnic: true, ups: 1, writes: 1, ..DISK }),
        events: &[PassedNext, Admitted, Replayed, LateWrite, ResetKills],
        small: true,
    },
    Scope {
        name: "ahead-deaths",
        what: "as ahead, and a director that dies and an agent that starts again",
        kind: Kind::Failover(Bounds { ahead: true, kills: 1, agent_restarts: 1, ..FRAMES }),
        events: &[Ahead, AheadConfirmed, AheadOverruled, AgentRestarted, DirectorRestarted, PassedNext],
        small: false,
    },
    Scope {
        name: "move-down",
        what: "as move, and 1 frame from the LAN under way",
        kind: Kind::Failover(Bounds { downs: 1, ..MOVE }),
        events: &[MovedByAgent, MovedByLease, PassedNext, UnderWayMove, Delivered, ServerRefused],
        small: false,
    },
    Scope {
        name: "move-home",
        what: "as move, and 1 change of the home",
        kind: Kind::Failover(Bounds { home_changes: 1, ..MOVE }),
        events: &[MovedByAgent, MovedByLease, PassedNext, UnderWayMove],
        small: false,
    },
    Scope {
        name: "disk-breaks",
        what: "as disk, and a session that breaks",
        kind: Kind::Failover(Bounds { breaks: 1, ..DISK }),
        events: &[Admitted, Replayed, LateWrite, ResetKills, OldLogin],
        small: false,
    },
    Scope {
        name: "disk-lapses",
        what: "as disk, and a lease that lapses",
        kind: Kind::Failover(Bounds { lapses: 1, ..DISK }),
        events: &[Admitted, Replayed, LateWrite, ResetKills, OldLogin],
        small: false,
    },
    Scope {
        name: "disk-deaths",
        what: "as disk, and a director that dies and comes back",
        kind: Kind::Failover(Bounds { kills: 1, ..DISK }),
        events: &[Admitted, Replayed, LateWrite, ResetKills, OldLogin, DirectorRestarted],
        small: false,
    },
    Scope {
        name: "disk-move",
        what: "a vHBA goes to a second server, 1 write",
        kind: Kind::Failover(DISK_MOVE),
        events: &[MovedByAgent, Admitted],
        small: false,
    },
];

/// What a run of a scope came to.
#[derive(Clone, Debug)]
pub struct Run {
    pub outcome: Outcome,
    pub seen: Seen,
}

impl Scope {
    pub fn by_name(name: &str) -> Result<&'static Self, String> {
        let known = ALL.iter().find(|it| it.name == name);
        known.ok_or_else(|| format!("there is no model '{name}'{}", suggestion(name, ALL.iter().map(|it| it.name))))
    }

    pub fn check(&self, threads: usize) -> Run {
        run(self.kind, None, None, threads)
    }

    /// The names of the properties that are checked.
    pub fn properties(&self) -> Vec<Property> {
        match self.kind {
            Kind::Lease(_) => vec![Property::LeaseOver],
            Kind::Failover(_) => Property::ALL.iter().copied().filter(|it| *it != Property::LeaseOver).collect(),
        }
    }
}

/// The model in which a rule that is switched off breaks this property.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    pub rule: Rule,
    pub kind: Kind,
    pub property: Property,
}

impl Proof {
    pub fn of(rule: Rule) -> Self {
        let failover = |bounds, property| Self { rule, kind: Kind::Failover(bounds), property };
        let lease =
            Self { rule, kind: Kind::Lease(LeaseBounds { ticks: 6, requests: 2 }), property: Property::LeaseOver };
        let (frames, ahead) = (FRAMES, Bounds { ahead: true, ..FRAMES });
        match rule {
            Rule::Epoch => failover(frames, Property::OneHome),
            Rule::ServerEpoch => failover(frames, Property::ServerOrder),
            Rule::AgentOrder => failover(frames, Property::LanOrder),
            Rule::DirectorEpoch => {
                failover(Bounds { home_changes: 2, downs: 0, lapses: 0, ..frames }, Property::LanOrder)
            }
            Rule::Successors => failover(ahead, Property::Following),
            Rule::NoWayBack => failover(ahead, Property::LanOrder),
            Rule::AheadRemembered => {
                failover(Bounds { kills: 1, agent_restarts: 1, ups: 0, ..ahead }, Property::Epochs)
            }
            Rule::CommitFirst => failover(ahead, Property::OneHome),
            Rule::Lease | Rule::CatchUp | Rule::ReleaseWait => failover(MOVE, Property::LanOrder),
            Rule::ReleaseEnds => failover(Bounds { kills: 1, ups: 0, ..MOVE }, Property::Serves),
            Rule::Reinstatement | Rule::Fence | Rule::ResetAnswer => failover(DISK, Property::Blocks),
            Rule::Confirmation | Rule::ConfirmationOrder => {
                failover(Bounds { breaks: 1, writes: 0, ..DISK }, Property::Admission)
            }
            Rule::CommandInstance => failover(Bounds { breaks: 1, home_changes: 0, ..DISK }, Property::Blocks),
            Rule::Incarnation => failover(Bounds { agent_restarts: 1, home_changes: 0, ..DISK }, Property::Blocks),
            Rule::LeaseFromAsking | Rule::DriftMargin | Rule::ElectionWait | Rule::QuorumRound => lease,
        }
    }

    /// With the rule switched off.
    pub fn check(&self) -> Run {
        run(self.kind, Some(self.rule), Some(self.property), 1)
    }

    /// Goes a story again, from every beginning that the model has: with the rule switched off, or with all of them in force.
    pub fn replay(&self, off: bool, story: &str) -> Vec<Ending> {
        let lines: Vec<&str> = story.lines().collect();
        let (rule, only) = if off { (Some(self.rule), Some(self.property)) } else { (None, None) };
        match self.kind {
            Kind::Failover(bounds) => replay_all(&Failover::new(bounds, rule, only), &lines),
            Kind::Lease(bounds) => replay_all(&LeaseModel::new(bounds, rule), &lines),
        }
    }
}

fn replay_all<M: Told>(model: &M, lines: &[&str]) -> Vec<Ending> {
    model.init_states().into_iter().map(|beginning| replay(model, beginning, lines)).collect()
}

fn run(kind: Kind, off: Option<Rule>, only: Option<Property>, threads: usize) -> Run {
    match kind {
        Kind::Failover(bounds) => {
            let model = Failover::new(bounds, off, only);
            Run { outcome: check(&model, threads), seen: model.seen }
        }
        Kind::Lease(bounds) => {
            let model = LeaseModel::new(bounds, off);
            Run { outcome: check(&model, threads), seen: model.seen }
        }
    }
}
