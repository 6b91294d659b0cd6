use twinrail_proto::domain::{AdapterId, Epoch, MacAddress, Name, VlanMode};

use crate::peer::Peer;

/// All that a director's datapath needs to know of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectorTable {
    /// The other directors: hellos only.
    pub directors: Vec<Peer>,
    pub servers: Vec<Peer>,
    pub lans: Vec<LanPort>,
    /// The adapters whose home is here, and no others.
    pub adapters: Vec<DirectorAdapter>,
}

/// By which device of this director a LAN is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanPort {
    pub lan: Name,
    pub device: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// Frames go both ways.
    Carry,
    /// The server must stop. Frames from it are dropped, frames towards it wait (bounded) for what comes.
    Hold,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorAdapter {
    pub id: AdapterId,
    pub epoch: Epoch,
    pub mac: MacAddress,
    pub lan: Name,
    pub vlan: VlanMode,
    pub server: Name,
    pub state: Carry,
}
