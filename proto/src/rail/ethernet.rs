use super::{ParseError, be16, require};

pub const ETHERNET_HEADER_LENGTH: usize = 14;
/// A VLAN tag in a frame.
pub const TAG_LENGTH: usize = 4;

pub type MacOctets = [u8; 6];

const VLAN_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;
const OLD_SERVICE_TAG: u16 = 0x9100;

/// A customer VLAN tag (IEEE 802.1Q, clause 9.6): priority, drop eligibility and VLAN id in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag(pub u16);

/// The head of an Ethernet frame, with its VLAN tag if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    pub destination: MacOctets,
    pub source: MacOctets,
    pub tag: Option<VlanTag>,
    /// The type (or the length) after the tag.
    pub ether_type: u16,
}

impl VlanTag {
    /// 0: a tag that gives only a priority.
    pub fn vlan(self) -> u16 {
        self.0 & 0x0fff
    }

    pub fn encode(self) -> [u8; TAG_LENGTH] {
        let [high, low] = self.0.to_be_bytes();
        [0x81, 0x00, high, low]
    }
}

impl EthernetHeader {
    pub fn parse(frame: &[u8]) -> Result<Self, ParseError> {
        require("an Ethernet header", frame, ETHERNET_HEADER_LENGTH)?;
        let mut header =
            Self { destination: mac_at(frame, 0), source: mac_at(frame, 6), tag: None, ether_type: be16(frame, 12) };
        if header.ether_type == VLAN_TAG {
            require("a VLAN tag", frame, ETHERNET_HEADER_LENGTH + TAG_LENGTH)?;
            header.tag = Some(VlanTag(be16(frame, 14)));
            header.ether_type = be16(frame, 16);
        }
        Ok(header)
    }

    /// Octets before the payload: addresses, tag and type.
    pub fn length(&self) -> usize {
        ETHERNET_HEADER_LENGTH + if self.tag.is_some() { TAG_LENGTH } else { 0 }
    }

    /// Carries a tag of a provider's bridge, which no vNIC may use.
    pub fn has_service_tag(&self) -> bool {
        self.tag.is_none() && matches!(self.ether_type, SERVICE_TAG | OLD_SERVICE_TAG)
    }

    /// Addressed to the bridge itself (spanning tree, pause, LLDP …): never relayed (IEEE 802.1Q, clause 8.6.3).
    pub fn is_bridge_local(&self) -> bool {
        self.destination[..5] == [0x01, 0x80, 0xc2, 0x00, 0x00] && self.destination[5] <= 0x0f
    }
}

/// Whether the address is a multicast or the broadcast address.
pub fn is_group(mac: &MacOctets) -> bool {
    mac[0] & 1 != 0
}

fn mac_at(frame: &[u8], at: usize) -> MacOctets {
    let mut mac = [0; 6];
    mac.copy_from_slice(&frame[at..at + 6]);
    mac
}
