use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DirectorId, Name};

/// One of the two independent fabrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rail {
    A,
    B,
}

impl Rail {
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// 0 for rail A, 1 for rail B.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Rail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// Where a machine is found on each rail. The port is the same for all machines of a cluster (configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RailAddresses {
    pub a: IpAddr,
    pub b: IpAddr,
}

impl RailAddresses {
    pub fn on(&self, rail: Rail) -> IpAddr {
        match rail {
            Rail::A => self.a,
            Rail::B => self.b,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectorRole {
    /// Carries adapters.
    Active,
    /// Hot spare: takes adapters only on failover.
    Spare,
    /// Votes, carries nothing.
    Witness,
}

/// What the operator wants of a director, beside its role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminState {
    #[default]
    Enabled,
    /// Gets no adapters and gives away those that it has: for maintenance.
    Drained,
}

/// A gateway machine. `directors/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Director {
    pub name: Name,
    pub id: DirectorId,
    pub role: DirectorRole,
    pub admin_state: AdminState,
    pub rails: RailAddresses,
    /// The public API as clients reach it, `host:port`.
    pub api_address: String,
    /// The identity of its store on disk, given when it first joined: a second machine that claims the same id is refused by it.
    pub store_id: Option<String>,
}

/// A machine that uses adapters. `servers/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub name: Name,
    /// Which machine may attach under this name: claimed by the first agent that does. None: nobody has yet.
    pub machine_id: Option<String>,
    /// Where its agent was last found; None before it first attached.
    pub rails: Option<RailAddresses>,
    /// A hot spare: takes the profile of a server that it stands in for, gets none by itself.
    pub spare: bool,
    /// Most adapters that may be bound to it.
    pub max_adapters: u32,
}
