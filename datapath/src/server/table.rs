use twinrail_proto::domain::{AdapterId, Epoch, MacAddress, Mtu, Name};

use crate::peer::Peer;

/// All that a server's datapath needs to know of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTable {
    pub directors: Vec<Peer>,
    /// The vNICs bound to this server. Their devices are made and removed with their entries.
    pub adapters: Vec<ServerAdapter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAdapter {
    pub id: AdapterId,
    pub epoch: Epoch,
    pub mac: MacAddress,
    pub mtu: Mtu,
    /// The device's name.
    pub name: Name,
    /// The director that carries it; None: nobody does now, and its frames are dropped.
    pub home: Option<Name>,
    /// Its frames wait in the device's queue: its home has stopped, and the next one has not begun. For milliseconds only.
    pub paused: bool,
}
