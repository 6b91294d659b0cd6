//! The table as the threads use it: made by the control plane, never changed, swapped as a whole.

use std::sync::Arc;

use twinrail_proto::domain::{AdapterId, Epoch, MacAddress, Name, VlanId, VlanMode};
use twinrail_proto::rail::{MacOctets, VlanTag};

use super::hold::Hold;
use crate::counters::AdapterTally;
use crate::edge::Uplink;
use crate::fast_map::FastMap;
use crate::frame::FrameView;
use crate::peer::PeerTable;
use crate::recorder::RecordSlot;

#[derive(Default)]
pub(crate) struct Forwarding {
    pub peers: PeerTable,
    adapters: Vec<Adapter>,
    by_id: FastMap<u32, u32>,
    ports: Vec<Port>,
    by_token: FastMap<u64, u32>,
}

pub(crate) struct Adapter {
    pub id: AdapterId,
    pub epoch: Epoch,
    pub mac: MacAddress,
    /// None: its LAN is not in the table.
    pub port: Option<u32>,
    pub membership: Membership,
    /// The server that it is bound to; None: it is not in the table.
    pub peer: Option<u32>,
    /// False: frames towards it wait, frames from it are dropped.
    pub carry: bool,
    pub hold: Arc<Hold>,
    pub tally: Arc<AdapterTally>,
    /// Where the flight recorder notes frames to the LAN, and announcements.
    pub to_lan: Option<RecordSlot>,
    pub announced: Option<RecordSlot>,
}

/// A LAN, its port, and who is on it.
pub(crate) struct Port {
    pub lan: Name,
    pub device: String,
    /// None: it could not be opened.
    pub uplink: Option<Arc<dyn Uplink>>,
    pub token: u64,
    stations: FastMap<u64, u32>,
    members: FastMap<u16, Vec<u32>>,
}

/// A vNIC's VLANs. The VLAN 0 stands for untagged frames.
pub(crate) enum Membership {
    Native,
    Access(u16),
    Trunk { listed: Box<[u64; 64]>, vlans: Vec<u16> },
}

impl Forwarding {
    pub fn new(peers: PeerTable, ports: Vec<Port>) -> Self {
        let by_token = ports.iter().zip(0..).map(|(port, index)| (port.token, index)).collect();
        Self { peers, adapters: Vec::new(), by_id: FastMap::default(), ports, by_token }
    }

    /// Adds an adapter. Returns the one that has the same MAC on one of its VLANs already, if any: that one keeps it.
    pub fn add(&mut self, adapter: Adapter) -> Option<AdapterId> {
        let index = self.adapters.len() as u32;
        self.by_id.insert(adapter.id.0, index);
        let mut other = None;
        if let Some(port) = adapter.port.map(|it| &mut self.ports[it as usize]) {
            for vlan in adapter.membership.vlans() {
                let first = *port.stations.entry(station(vlan, &adapter.mac.octets())).or_insert(index);
                if first != index {
                    other = Some(self.adapters[first as usize].id);
                }
                port.members.entry(vlan).or_default().push(index);
            }
        }
        self.adapters.push(adapter);
        other
    }

    pub fn adapters(&self) -> &[Adapter] {
        &self.adapters
    }

    pub fn adapter(&self, index: u32) -> &Adapter {
        &self.adapters[index as usize]
    }

    pub fn index_of(&self, id: AdapterId) -> Option<u32> {
        self.by_id.get(&id.0).copied()
    }

    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    pub fn port(&self, index: u32) -> &Port {
        &self.ports[index as usize]
    }

    pub fn port_of_lan(&self, lan: &Name) -> Option<u32> {
        self.ports.iter().position(|it| it.lan == *lan).map(|it| it as u32)
    }

    pub fn port_of_token(&self, token: u64) -> Option<u32> {
        self.by_token.get(&token).copied()
    }
}

impl Port {
    pub fn new(lan: Name, device: String, uplink: Option<Arc<dyn Uplink>>, token: u64) -> Self {
        Self { lan, device, uplink, token, stations: FastMap::default(), members: FastMap::default() }
    }

    /// The adapter with this address on this VLAN.
    pub fn station(&self, vlan: u16, mac: &MacOctets) -> Option<u32> {
        self.stations.get(&station(vlan, mac)).copied()
    }

    /// All adapters on this VLAN.
    pub fn members(&self, vlan: u16) -> &[u32] {
        self.members.get(&vlan).map_or(&[], Vec::as_slice)
    }
}

/// VLAN and address as one number.
fn station(vlan: u16, mac: &MacOctets) -> u64 {
    mac.iter().fold(u64::from(vlan), |number, &octet| number << 8 | u64::from(octet))
}

impl Membership {
    pub fn new(mode: &VlanMode) -> Self {
        match mode {
            VlanMode::Native => Self::Native,
            VlanMode::Access(vlan) => Self::Access(vlan.get()),
            VlanMode::Trunk(set) => {
                let vlans: Vec<u16> = set.iter().copied().map(VlanId::get).collect();
                let mut listed = Box::new([0; 64]);
                for &vlan in &vlans {
                    listed[usize::from(vlan >> 6)] |= 1 << (vlan & 63);
                }
                Self::Trunk { listed, vlans }
            }
        }
    }

    pub fn vlans(&self) -> impl Iterator<Item = u16> + '_ {
        let (one, many) = match self {
            Self::Native => (Some(0), &[][..]),
            Self::Access(vlan) => (Some(*vlan), &[][..]),
            Self::Trunk { vlans, .. } => (None, vlans.as_slice()),
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// The VLAN on the LAN of a frame that its server sent; None: it may not send that one.
    pub fn ingress(&self, tag: Option<VlanTag>) -> Option<u16> {
        match (self, tag) {
            (Self::Native, None) => Some(0),
            (Self::Access(vlan), None) => Some(*vlan),
            (Self::Trunk { listed, .. }, Some(tag)) => {
                let vlan = tag.vlan();
                let allowed = listed[usize::from(vlan >> 6)] & 1 << (vlan & 63) != 0;
                allowed.then_some(vlan)
            }
            (Self::Native | Self::Access(_), Some(_)) | (Self::Trunk { .. }, None) => None,
        }
    }

    /// The tag that a frame of this VLAN has when it goes to the server.
    pub fn egress(&self, view: &FrameView, vlan: u16) -> Option<VlanTag> {
        match self {
            Self::Native | Self::Access(_) => None,
            Self::Trunk { .. } => Some(view.tag_for(vlan)),
        }
    }
}
