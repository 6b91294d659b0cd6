use std::collections::BTreeSet;

use crate::domain::{
    AdapterKind, Home, MacSource, Mtu, Name, ResourceKind, Revision, Vhba, VlanId, VlanMode, Vnic, WwnSource,
};
use crate::grpc::v1;

use super::{Path, Problems, adapter_name, etag, parse_reference, reference, resource_name, write_luns};

/// `modified` is the revision that changed the profile last.
pub fn write_vnic(profile: &Name, vnic: &Vnic, modified: Revision) -> v1::Vnic {
    let Vnic { name, id, mac, mac_source, lan, vlan, mtu, qos, home } = vnic;
    let mac_source = match mac_source {
        MacSource::Pool(pool) => v1::vnic::MacSource::MacPool(resource_name(ResourceKind::Pool, pool)),
        MacSource::Fixed(mac) => v1::vnic::MacSource::FixedMac(mac.to_string()),
    };
    v1::Vnic {
        name: adapter_name(profile, AdapterKind::Vnic, name),
        adapter_id: id.0,
        mac: mac.to_string(),
        mac_source: Some(mac_source),
        lan: resource_name(ResourceKind::Lan, lan),
        vlan: Some(write_vlan(vlan)),
        mtu: Some(u32::from(mtu.get())),
        qos_policy: reference(ResourceKind::QosPolicy, qos.as_ref()),
        home: Some(write_home(home)),
        etag: etag(modified),
        // Who answers the call knows it; the record does not.
        device: None,
    }
}

/// `modified` is the revision that changed the profile last. What home and agent say of it is left open.
pub fn write_vhba(profile: &Name, vhba: &Vhba, modified: Revision) -> v1::Vhba {
    let Vhba { name, id, wwpn, wwnn, wwn_source, san, qos, luns, home } = vhba;
    let (lun_mask, boot_lun) = write_luns(luns);
    let wwn_source = match wwn_source {
        WwnSource::Pool(pool) => v1::vhba::WwnSource::WwnPool(resource_name(ResourceKind::Pool, pool)),
        WwnSource::Fixed { wwpn, wwnn } => {
            v1::vhba::WwnSource::FixedWwns(v1::FixedWwns { wwpn: wwpn.to_string(), wwnn: wwnn.to_string() })
        }
    };
    v1::Vhba {
        name: adapter_name(profile, AdapterKind::Vhba, name),
        adapter_id: id.0,
        wwpn: wwpn.to_string(),
        wwnn: wwnn.to_string(),
        wwn_source: Some(wwn_source),
        san: resource_name(ResourceKind::San, san),
        qos_policy: reference(ResourceKind::QosPolicy, qos.as_ref()),
        home: Some(write_home(home)),
        etag: etag(modified),
        lun_mask,
        boot_lun,
        ..Default::default()
    }
}

pub fn write_home(home: &Home) -> v1::Home {
    let Home { director, epoch, successors } = home;
    v1::Home {
        director: reference(ResourceKind::Director, director.as_ref()),
        epoch: epoch.0,
        successors: successors.iter().map(|name| resource_name(ResourceKind::Director, name)).collect(),
    }
}

pub fn read_mac_source(
    source: Option<v1::vnic::MacSource>,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<MacSource> {
    match source {
        Some(v1::vnic::MacSource::MacPool(pool)) => {
            parse_reference(ResourceKind::Pool, &pool, &at.field("mac_pool"), problems).map(MacSource::Pool)
        }
        Some(v1::vnic::MacSource::FixedMac(mac)) => {
            problems.check(&at.field("fixed_mac"), mac.parse()).map(MacSource::Fixed)
        }
        None => {
            problems.add(&at.field("mac_pool"), "say where the MAC comes from: mac_pool or fixed_mac");
            None
        }
    }
}

pub fn read_wwn_source(
    source: Option<v1::vhba::WwnSource>,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<WwnSource> {
    match source {
        Some(v1::vhba::WwnSource::WwnPool(pool)) => {
            parse_reference(ResourceKind::Pool, &pool, &at.field("wwn_pool"), problems).map(WwnSource::Pool)
        }
        Some(v1::vhba::WwnSource::FixedWwns(v1::FixedWwns { wwpn, wwnn })) => {
            let at = at.field("fixed_wwns");
            let wwpn = problems.check(&at.field("wwpn"), wwpn.parse());
            let wwnn = problems.check(&at.field("wwnn"), wwnn.parse());
            Some(WwnSource::Fixed { wwpn: wwpn?, wwnn: wwnn? })
        }
        None => {
            problems.add(&at.field("wwn_pool"), "say where the world-wide names come from: wwn_pool or fixed_wwns");
            None
        }
    }
}

/// None is the default MTU; a 0 that somebody gave is a number like others, and out of range.
pub fn read_mtu(mtu: Option<u32>, at: &Path<'_>, problems: &mut Problems) -> Option<Mtu> {
    mtu.map_or(Some(Mtu::DEFAULT), |octets| problems.check(at, Mtu::try_from(octets)))
}

pub fn write_vlan(vlan: &VlanMode) -> v1::Vlan {
    let mode = match vlan {
        VlanMode::Native => v1::vlan::Mode::Native(v1::vlan::Native {}),
        VlanMode::Access(vlan) => v1::vlan::Mode::Access(u32::from(vlan.get())),
        VlanMode::Trunk(vlans) => {
            v1::vlan::Mode::Trunk(v1::vlan::Trunk { vlans: vlans.iter().map(|vlan| u32::from(vlan.get())).collect() })
        }
    };
    v1::Vlan { mode: Some(mode) }
}

/// None and an empty message are the native mode.
pub fn read_vlan(vlan: Option<v1::Vlan>, at: &Path<'_>, problems: &mut Problems) -> Option<VlanMode> {
    let v1::Vlan { mode } = vlan.unwrap_or_default();
    match mode {
        None | Some(v1::vlan::Mode::Native(v1::vlan::Native {})) => Some(VlanMode::Native),
        Some(v1::vlan::Mode::Access(vlan)) => read_vlan_id(vlan, &at.field("access"), problems).map(VlanMode::Access),
        Some(v1::vlan::Mode::Trunk(v1::vlan::Trunk { vlans })) => {
            read_trunk(&vlans, &at.field("trunk").field("vlans"), problems)
        }
    }
}

fn read_trunk(vlans: &[u32], at: &Path<'_>, problems: &mut Problems) -> Option<VlanMode> {
    let mut set = BTreeSet::new();
    for (i, &vlan) in vlans.iter().enumerate() {
        set.insert(read_vlan_id(vlan, &at.index(i), problems)?);
    }
    let trunk = VlanMode::Trunk(set);
    problems.check(at, trunk.check())?;
    Some(trunk)
}

fn read_vlan_id(vlan: u32, at: &Path<'_>, problems: &mut Problems) -> Option<VlanId> {
    problems.check(at, VlanId::try_from(vlan))
}
