//! What one server is told: its profiles, their adapters, and who carries each.

use twinrail_proto::domain::{BindingPhase, Name, Profile, Revision, Vhba, VlanMode, Vnic};
use twinrail_proto::grpc::convert::write_luns;
use twinrail_proto::grpc::internal::v1::{AssignedProfile, AssignedVhba, AssignedVnic, DirectorMessage, DirectorPeer};

use super::core::Core;

/// The server's assignment as this director has it.
pub fn assignment(core: &Core, server: &Name) -> DirectorMessage {
    let state = core.state.read();
    let directors = state.directors().values().map(|it| DirectorPeer {
        name: it.value.name.to_string(),
        rail_a: it.value.rails.a.to_string(),
        rail_b: it.value.rails.b.to_string(),
        id: it.value.id.0,
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
        vhbas: profile.vhbas.values().map(|it| vhba(core, it)).collect(),
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

fn vhba(core: &Core, vhba: &Vhba) -> AssignedVhba {
    let (lun_mask, boot_lun) = write_luns(&vhba.luns);
    AssignedVhba {
        adapter: vhba.id.0,
        name: vhba.name.to_string(),
        wwpn: vhba.wwpn.to_u64(),
        wwnn: vhba.wwnn.to_u64(),
        san: vhba.san.to_string(),
        epoch: vhba.home.epoch.0,
        home: vhba.home.director.as_ref().map(Name::to_string).unwrap_or_default(),
        successors: vhba.home.successors.iter().map(Name::to_string).collect(),
        carrying: core.carriage.carries(vhba.id, vhba.home.epoch),
        lun_mask,
        boot_lun,
    }
}
