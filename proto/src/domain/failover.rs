use serde::{Deserialize, Serialize};

use super::{AdapterId, Epoch, Name, UnixMillis};

/// Why homes change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailoverCause {
    /// No path to this director is up any more.
    DirectorLost(Name),
    /// This server has no path to the home of its adapters, though the home lives.
    PathsLost { server: Name, director: Name },
    /// This director's port on this LAN does not work, and another director's does.
    UplinkLost { director: Name, lan: Name },
    /// The operator drains this director.
    Drain(Name),
    /// The operator asked for homes to be spread anew.
    Rebalance,
    /// The operator moved one adapter.
    Operator,
    /// Adapters that nobody could carry found a home.
    Homeless,
}

/// One adapter gets a new home. Refused when the adapter's epoch is not `expected` any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeMove {
    pub adapter: AdapterId,
    pub expected: Epoch,
    pub to: Option<Name>,
    pub successors: Vec<Name>,
}

/// What happened in one failover, and when: `failovers/{name}`. All times are wall-clock times of the director that
/// saw the step; None: not (yet) seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverReceipt {
    /// `f-` and the revision of the commit.
    pub name: Name,
    pub cause: FailoverCause,
    /// The director that decided.
    pub decided_by: Name,
    /// The last sign of life of what was lost (for planned moves: when the operator's call came).
    pub last_seen: UnixMillis,
    pub detected: UnixMillis,
    pub decided: UnixMillis,
    /// The director that decided knew that it was committed.
    pub committed: Option<UnixMillis>,
    pub moves: Vec<ReceiptMove>,
    /// The W3C trace id under which every director recorded its part, if telemetry was on.
    pub trace_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptMove {
    pub adapter: AdapterId,
    /// `profiles/{profile}/vnics/{vnic}` or `…/vhbas/{vhba}`, as it was called then.
    pub resource: String,
    pub from: Option<Name>,
    pub to: Option<Name>,
    pub epoch: Epoch,
    /// The new home's datapath carried it.
    pub carrying: Option<UnixMillis>,
    /// The new home sent the first announcement on the LAN. A vHBA is announced by its login: as soon as it is carried.
    pub announced: Option<UnixMillis>,
    /// Of a vHBA: what its fence took, phase by phase, in their order.
    pub phases: Vec<PhaseTime>,
}

/// How long one phase of a vHBA's fence took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// `login`, `unit attentions`, `reset`, …
    pub phase: String,
    pub ms: u64,
}
