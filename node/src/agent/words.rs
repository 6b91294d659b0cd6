//! From the messages of directors to the words that the agent's deciding code knows, every field checked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use twinrail_failover::agent::{AssignedAdapter, AssignedProfile, Assignment, Phase, Route};
use twinrail_proto::domain::{
    AdapterId, DirectorId, Epoch, IdentityError, MacAddress, Mtu, Name, NameError, NetworkError, RailAddresses,
    Revision, VlanId,
};
use twinrail_proto::grpc::internal::v1 as wire;

use super::vhba::Assigned as AssignedVhba;

/// What a device needs to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: Name,
    pub mac: MacAddress,
    pub mtu: Mtu,
    /// Empty: untagged frames only.
    pub trunk: BTreeSet<VlanId>,
}

/// One message of a director.
#[derive(Clone, Debug)]
pub struct Heard {
    pub assignment: Assignment,
    pub directors: BTreeMap<Name, RailAddresses>,
    /// By which number each is called where vHBAs' commands go.
    pub director_ids: BTreeMap<DirectorId, Name>,
    pub devices: BTreeMap<AdapterId, Device>,
    pub vhbas: BTreeMap<AdapterId, AssignedVhba>,
}

#[derive(Debug, thiserror::Error)]
pub enum WordError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("{0:?} is no IP address")]
    Address(String),
    #[error("{0} is no logical unit number")]
    Lun(u32),
    #[error("a MAC address of {0} octets")]
    MacLength(usize),
}

pub fn read(message: wire::DirectorMessage) -> Result<Heard, WordError> {
    let wire::DirectorMessage { director, revision, directors, profiles } = message;
    let (mut devices, mut vhbas) = (BTreeMap::new(), BTreeMap::new());
    let profiles = profiles.into_iter().map(|it| profile(it, &mut devices, &mut vhbas)).collect::<Result<_, _>>()?;
    let (mut addresses, mut director_ids) = (BTreeMap::new(), BTreeMap::new());
    for it in directors {
        let wire::DirectorPeer { name, rail_a, rail_b, id } = it;
        let name = Name::new(name)?;
        director_ids.insert(DirectorId(id), name.clone());
        addresses.insert(name, RailAddresses { a: address(rail_a)?, b: address(rail_b)? });
    }
    let assignment = Assignment { from: Name::new(director)?, revision: Revision(revision), profiles };
    Ok(Heard { assignment, directors: addresses, director_ids, devices, vhbas })
}

fn address(text: String) -> Result<IpAddr, WordError> {
    text.parse().map_err(|_| WordError::Address(text))
}

fn profile(
    profile: wire::AssignedProfile,
    devices: &mut BTreeMap<AdapterId, Device>,
    assigned: &mut BTreeMap<AdapterId, AssignedVhba>,
) -> Result<AssignedProfile, WordError> {
    let wire::AssignedProfile { name, revision, releasing, vnics, vhbas } = profile;
    let name = Name::new(name)?;
    let vnics = vnics.into_iter().map(|it| vnic(it, devices));
    let vhbas = vhbas.into_iter().map(|it| vhba(it, &name, assigned));
    let adapters = vnics.chain(vhbas).collect::<Result<_, _>>()?;
    let phase = if releasing { Phase::Releasing } else { Phase::Active };
    Ok(AssignedProfile { profile: name, revision: Revision(revision), phase, adapters })
}

/// The names and the boot LUN are for whoever asks directors; here they change nothing.
fn vhba(
    vhba: wire::AssignedVhba,
    profile: &Name,
    assigned: &mut BTreeMap<AdapterId, AssignedVhba>,
) -> Result<AssignedAdapter, WordError> {
    let wire::AssignedVhba { adapter, name, epoch, home, successors, carrying, lun_mask, .. } = vhba;
    let adapter = AdapterId(adapter);
    let mask = lun_mask.into_iter().map(|it| u16::try_from(it).map_err(|_| WordError::Lun(it)));
    let mask = mask.collect::<Result<_, _>>()?;
    assigned.insert(adapter, AssignedVhba { profile: profile.clone(), name: Name::new(name)?, mask });
    routed(adapter, epoch, home, successors, carrying)
}

fn routed(
    adapter: AdapterId,
    epoch: u64,
    home: String,
    successors: Vec<String>,
    carrying: bool,
) -> Result<AssignedAdapter, WordError> {
    let home = if home.is_empty() { None } else { Some(Name::new(home)?) };
    let successors = successors.into_iter().map(Name::new).collect::<Result<_, _>>()?;
    Ok(AssignedAdapter { adapter, route: Route { home, epoch: Epoch(epoch) }, successors, carrying })
}

fn vnic(vnic: wire::AssignedVnic, devices: &mut BTreeMap<AdapterId, Device>) -> Result<AssignedAdapter, WordError> {
    let wire::AssignedVnic { adapter, name, mac, mtu, trunk_vlans, epoch, home, successors, carrying } = vnic;
    let adapter = AdapterId(adapter);
    let octets: [u8; 6] = mac.as_slice().try_into().map_err(|_| WordError::MacLength(mac.len()))?;
    let trunk = trunk_vlans.into_iter().map(VlanId::try_from).collect::<Result<_, _>>()?;
    let device = Device { name: Name::new(name)?, mac: MacAddress::new(octets)?, mtu: Mtu::try_from(mtu)?, trunk };
    devices.insert(adapter, device);
    routed(adapter, epoch, home, successors, carrying)
}
