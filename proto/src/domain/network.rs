use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::MAX_TRUNK_VLANS;

/// A VLAN identifier (IEEE 802.1Q, clause 9.6): 1 to 4094.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct VlanId(u16);

/// What a vNIC carries of its LAN's VLANs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VlanMode {
    /// Untagged frames, as the LAN's port gives them.
    #[default]
    Native,
    /// Untagged at the server, tagged with this VLAN on the LAN.
    Access(VlanId),
    /// Tagged at both, with one of these VLANs; untagged frames are dropped.
    Trunk(BTreeSet<VlanId>),
}

/// The largest layer-3 packet of a vNIC, in octets: 1280 (IPv6's minimum, RFC 8200 section 5) to 9000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Mtu(u16);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("VLAN {0} is not usable; a VLAN id is 1 to 4094 (IEEE 802.1Q, 9.6)")]
    Vlan(u32),
    #[error("a trunk needs at least one VLAN")]
    EmptyTrunk,
    #[error("a trunk of {0} VLANs; at most {MAX_TRUNK_VLANS} are allowed")]
    LargeTrunk(usize),
    #[error("MTU {0} is out of range; 1280 to 9000 octets are allowed")]
    Mtu(u32),
}

impl VlanId {
    pub fn new(id: u16) -> Result<Self, NetworkError> {
        match id {
            1..=4094 => Ok(Self(id)),
            _ => Err(NetworkError::Vlan(id.into())),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl VlanMode {
    /// Checks what the type cannot: the number of VLANs of a trunk.
    pub fn check(&self) -> Result<(), NetworkError> {
        match self {
            Self::Trunk(vlans) if vlans.is_empty() => Err(NetworkError::EmptyTrunk),
            Self::Trunk(vlans) if vlans.len() > MAX_TRUNK_VLANS => Err(NetworkError::LargeTrunk(vlans.len())),
            Self::Native | Self::Access(_) | Self::Trunk(_) => Ok(()),
        }
    }
}

impl Mtu {
    pub const DEFAULT: Self = Self(1500);

    pub fn new(octets: u16) -> Result<Self, NetworkError> {
        match octets {
            1280..=9000 => Ok(Self(octets)),
            _ => Err(NetworkError::Mtu(octets.into())),
        }
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for Mtu {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for VlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Access(vlan) => write!(f, "access {vlan}"),
            Self::Trunk(vlans) => {
                let list: Vec<String> = vlans.iter().map(VlanId::to_string).collect();
                write!(f, "trunk {}", list.join(","))
            }
        }
    }
}

impl TryFrom<u16> for VlanId {
    type Error = NetworkError;
    fn try_from(id: u16) -> Result<Self, NetworkError> {
        Self::new(id)
    }
}

/// As messages carry it. An error tells the number that was given, however large.
impl TryFrom<u32> for VlanId {
    type Error = NetworkError;
    fn try_from(id: u32) -> Result<Self, NetworkError> {
        u16::try_from(id).map_err(|_| NetworkError::Vlan(id)).and_then(Self::new)
    }
}

impl From<VlanId> for u16 {
    fn from(vlan: VlanId) -> u16 {
        vlan.0
    }
}

impl TryFrom<u16> for Mtu {
    type Error = NetworkError;
    fn try_from(octets: u16) -> Result<Self, NetworkError> {
        Self::new(octets)
    }
}

/// As messages carry it. An error tells the number that was given, however large.
impl TryFrom<u32> for Mtu {
    type Error = NetworkError;
    fn try_from(octets: u32) -> Result<Self, NetworkError> {
        u16::try_from(octets).map_err(|_| NetworkError::Mtu(octets)).and_then(Self::new)
    }
}

impl From<Mtu> for u16 {
    fn from(mtu: Mtu) -> u16 {
        mtu.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_vlans_are_refused() {
        assert_eq!(VlanId::new(0), Err(NetworkError::Vlan(0)));
        assert_eq!(VlanId::new(4095), Err(NetworkError::Vlan(4095)));
        assert!(VlanId::new(1).is_ok() && VlanId::new(4094).is_ok());
        assert!(serde_json::from_str::<VlanId>("4095").is_err());
    }

    #[test]
    fn mtu_has_both_bounds() {
        for bad in [0, 1279, 9001, 65535] {
            assert_eq!(Mtu::new(bad), Err(NetworkError::Mtu(bad.into())));
        }
        assert!(Mtu::new(1280).is_ok() && Mtu::new(9000).is_ok());
    }

    #[test]
    fn what_is_too_large_is_told_as_it_was_given() {
        assert_eq!(VlanId::try_from(99_999_u32), Err(NetworkError::Vlan(99_999)));
        assert_eq!(Mtu::try_from(70_000_u32), Err(NetworkError::Mtu(70_000)));
        assert_eq!((VlanId::try_from(10_u32), Mtu::try_from(1500_u32)), (VlanId::new(10), Mtu::new(1500)));
    }

    #[test]
    fn a_trunk_is_neither_empty_nor_endless() {
        assert_eq!(VlanMode::Trunk(BTreeSet::new()).check(), Err(NetworkError::EmptyTrunk));
        let many = (1..=129).map(|id| VlanId::new(id).unwrap()).collect();
        assert_eq!(VlanMode::Trunk(many).check(), Err(NetworkError::LargeTrunk(129)));
    }
}
