//! What one server is told: its profiles, their vNICs, and who carries each.

use twinrail_proto::domain::{BindingPhase, Name, Profile, Revision, VlanMode, Vnic};
use twinrail_proto::grpc::internal::v1::{AssignedProfile, AssignedVnic, DirectorMessage, DirectorPeer};

use super::core::Core;

/// The server's assignment as this director has it.
pub fn assignment(core: &Core, server: &Name) -> DirectorMessage {
    let state = core.state.read();
    let directors = state.directors().values().map(|it| DirectorPeer {
        name: it.value.name.to_string(),
        rail_a: it.value.rails.a.to_string(),
        rail_b: it.value.rails.b.to_string(),
    });
    let profiles = state.profiles_on(server).map(|it| profile(core, it, state.profiles()[&it.name].modified));
    DirectorMessage {
        director: core.own.to_string(),
        revision: state.revision().0,
        directors: directors.collect(),
        profiles: profiles.collect(),
    }
}

fn profile(core: &Core, profile: &Profile, revision: Revision) -> AssignedProfile {
    let releasing = profile.binding.as_ref().is_some_and(|it| matches!(it.phase, BindingPhase::Releasing { .. }));
    AssignedProfile {
        name: profile.name.to_string(),
        revision: revision.0,
        releasing,
        vnics: profile.vnics.values().map(|it| vnic(core, it)).collect(),
    }
}

fn vnic(core: &Core, vnic: &Vnic) -> AssignedVnic {
    let trunk_vlans = match &vnic.vlan {
        VlanMode::Native | VlanMode::Access(_) => Vec::new(),
        VlanMode::Trunk(vlans) => vlans.iter().map(|vlan| u32::from(vlan.get())).collect(),
    };
    AssignedVnic {
        adapter: vnic.id.0,
        name: vnic.name.to_string(),
        mac: vnic.mac.octets().to_vec(),
        mtu: u32::from(vnic.mtu.get()),
        trunk_vlans,
        epoch: vnic.home.epoch.0,
        home: vnic.home.director.as_ref().map(Name::to_string).unwrap_or_default(),
        successors: vnic.home.successors.iter().map(Name::to_string).collect(),
        carrying: core.carriage.carries(vnic.id, vnic.home.epoch),
    }
}
