//! Profiles and adapters as clients give them, made into what the state machine takes.

use twinrail_proto::domain::ResourceKind;
use twinrail_proto::grpc::convert::{
    Path, Problems, parse_optional_reference, parse_reference, read_luns, read_mac_source, read_map, read_mtu,
    read_vlan, read_wwn_source,
};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::{ProfileSpec, VhbaSpec, VnicSpec};

pub fn read_profile(message: v1::Profile, at: &Path<'_>, problems: &mut Problems) -> Option<ProfileSpec> {
    let v1::Profile { name: _, template, vnics, vhbas, binding: _, etag: _, create_time: _, update_time: _ } = message;
    let template = parse_optional_reference(ResourceKind::Template, &template, &at.field("template"), problems);
    let vnics = read_map(vnics, &at.field("vnics"), problems, read_vnic);
    let vhbas = read_map(vhbas, &at.field("vhbas"), problems, read_vhba);
    Some(ProfileSpec { template: template?, vnics: vnics?, vhbas: vhbas? })
}

pub fn read_vnic(message: v1::Vnic, at: &Path<'_>, problems: &mut Problems) -> Option<VnicSpec> {
    let v1::Vnic {
        name: _,
        adapter_id: _,
        mac: _,
        mac_source,
        lan,
        vlan,
        mtu,
        qos_policy,
        home: _,
        etag: _,
        device: _,
    } = message;
    let mac = read_mac_source(mac_source, at, problems);
    let lan = parse_reference(ResourceKind::Lan, &lan, &at.field("lan"), problems);
    let vlan = read_vlan(vlan, &at.field("vlan"), problems);
    let mtu = read_mtu(mtu, &at.field("mtu"), problems);
    let qos = parse_optional_reference(ResourceKind::QosPolicy, &qos_policy, &at.field("qos_policy"), problems);
    Some(VnicSpec { lan: lan?, vlan: vlan?, mtu: mtu?, qos: qos?, mac: mac? })
}

pub fn read_vhba(message: v1::Vhba, at: &Path<'_>, problems: &mut Problems) -> Option<VhbaSpec> {
    let v1::Vhba {
        name: _,
        adapter_id: _,
        wwpn: _,
        wwnn: _,
        wwn_source,
        san,
        qos_policy,
        home: _,
        etag: _,
        device: _,
        lun_mask,
        boot_lun,
        session: _,
        luns: _,
        path: _,
    } = message;
    let luns = read_luns(&lun_mask, boot_lun, at, problems);
    let wwn = read_wwn_source(wwn_source, at, problems);
    let san = parse_reference(ResourceKind::San, &san, &at.field("san"), problems);
    let qos = parse_optional_reference(ResourceKind::QosPolicy, &qos_policy, &at.field("qos_policy"), problems);
    Some(VhbaSpec { san: san?, qos: qos?, wwn: wwn?, luns: luns? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinrail_proto::domain::{
        AdapterId, Binding, BindingPhase, Epoch, Home, LunChoice, MacSource, Mtu, Name, Profile, Vhba, VlanId,
        VlanMode, Vnic, WwnSource,
    };
    use twinrail_proto::grpc::convert::{Stamp, write_profile};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn profile() -> Profile {
        let home = Home { director: Some(name("d1")), epoch: Epoch(3), successors: vec![name("d2")] };
        let vnic = Vnic {
            name: name("eth0"),
            id: AdapterId(1),
            mac: "02:00:00:00:00:01".parse().unwrap(),
            mac_source: MacSource::Pool(name("macs")),
            lan: name("prod"),
            vlan: VlanMode::Access(VlanId::new(10).unwrap()),
            mtu: Mtu::new(9000).unwrap(),
            qos: Some(name("gold")),
            home: home.clone(),
        };
        let (wwpn, wwnn) = ("5001438000000001".parse().unwrap(), "5001438000000002".parse().unwrap());
        let wwn_source = WwnSource::Fixed { wwpn, wwnn };
        let vhba = Vhba {
            name: name("hba0"),
            id: AdapterId(2),
            wwpn,
            wwnn,
            wwn_source,
            san: name("array"),
            qos: None,
            luns: LunChoice::default(),
            home,
        };
        Profile {
            name: name("web-1"),
            template: Some(name("web")),
            vnics: [(name("eth0"), vnic)].into(),
            vhbas: [(name("hba0"), vhba)].into(),
            binding: Some(Binding { server: name("s1"), phase: BindingPhase::Active }),
        }
    }

    /// What a client read of a profile and sends back asks for the same profile: identities, homes and binding are output.
    #[test]
    fn what_was_read_can_be_sent_back() {
        let profile = profile();
        let (vnic, vhba) = (&profile.vnics[&name("eth0")], &profile.vhbas[&name("hba0")]);
        let vnic_spec = VnicSpec {
            lan: vnic.lan.clone(),
            vlan: vnic.vlan.clone(),
            mtu: vnic.mtu,
            qos: vnic.qos.clone(),
            mac: vnic.mac_source.clone(),
        };
        let vhba_spec =
            VhbaSpec { san: vhba.san.clone(), qos: None, wwn: vhba.wwn_source.clone(), luns: LunChoice::default() };
        let expected = ProfileSpec {
            template: Some(name("web")),
            vnics: [(name("eth0"), vnic_spec)].into(),
            vhbas: [(name("hba0"), vhba_spec)].into(),
        };
        let mut problems = Problems::default();
        let spec = read_profile(write_profile(&profile, Stamp::default()), &Path::Root("profile"), &mut problems);
        assert_eq!(problems.finish(spec), Ok(expected));
    }

    #[test]
    fn wrong_fields_are_named_from_the_request_down() {
        let vnic = v1::Vnic {
            mtu: Some(100),
            mac_source: Some(v1::vnic::MacSource::FixedMac("01:00:00:00:00:00".into())),
            ..Default::default()
        };
        let message = v1::Profile {
            template: "web".into(),
            vnics: [("eth0".into(), vnic)].into(),
            vhbas: [("hba0".into(), v1::Vhba::default())].into(),
            ..Default::default()
        };
        let mut problems = Problems::default();
        let spec = read_profile(message, &Path::Root("profile"), &mut problems);
        let errors = problems.finish(spec).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "profile.template",
                "profile.vnics[eth0].fixed_mac",
                "profile.vnics[eth0].lan",
                "profile.vnics[eth0].mtu",
                "profile.vhbas[hba0].wwn_pool",
                "profile.vhbas[hba0].san"
            ]
        );
    }
}
