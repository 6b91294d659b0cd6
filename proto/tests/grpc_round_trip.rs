//! Every domain value that clients can write comes back unchanged from its message, whatever its stamp.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;
use twinrail_proto::domain::*;
use twinrail_proto::grpc::convert::*;

fn name() -> impl Strategy<Value = Name> {
    "[a-z]([a-z0-9-]{0,8}[a-z0-9])?".prop_map(|text| Name::new(text).unwrap())
}

fn mac() -> impl Strategy<Value = MacAddress> {
    (1u64..1 << 48).prop_filter_map("group bit", |number| MacAddress::from_u64(number).ok())
}

fn wwn() -> impl Strategy<Value = Wwn> {
    (0u64..1 << 60).prop_map(|number| Wwn::new(5 << 60 | number).unwrap())
}

fn rails() -> impl Strategy<Value = RailAddresses> {
    let v4 = (1u32..0xe000_0000, 1u32..0xe000_0000).prop_map(|(a, b)| (IpAddr::V4(a.into()), IpAddr::V4(b.into())));
    let v6 = (1u128..1 << 120, 1u128..1 << 120).prop_map(|(a, b)| (IpAddr::V6(a.into()), IpAddr::V6(b.into())));
    prop_oneof![v4, v6].prop_filter("two networks", |(a, b)| a != b).prop_map(|(a, b)| RailAddresses { a, b })
}

fn role() -> impl Strategy<Value = DirectorRole> {
    prop::sample::select(vec![DirectorRole::Active, DirectorRole::Spare, DirectorRole::Witness])
}

fn director() -> impl Strategy<Value = Director> {
    let state = prop::sample::select(vec![AdminState::Enabled, AdminState::Drained]);
    (name(), 1u64.., role(), state, rails(), "[a-z]{1,9}:[1-9][0-9]{0,3}").prop_map(
        |(name, id, role, admin_state, rails, api_address)| Director {
            name,
            id: DirectorId(id),
            role,
            admin_state,
            rails,
            api_address,
            store_id: None,
        },
    )
}

fn server() -> impl Strategy<Value = Server> {
    let most = MAX_ADAPTERS_PER_SERVER as u32;
    (name(), prop::option::of("[a-f0-9]{1,32}"), prop::option::of(rails()), any::<bool>(), 1..=most).prop_map(
        |(name, machine_id, rails, spare, max_adapters)| Server { name, machine_id, rails, spare, max_adapters },
    )
}

fn ordered<T: PartialOrd + std::fmt::Debug>(one: impl Strategy<Value = (T, T)>) -> impl Strategy<Value = Vec<(T, T)>> {
    prop::collection::vec(one.prop_map(|(a, b)| if a <= b { (a, b) } else { (b, a) }), 0..4)
}

fn pool() -> impl Strategy<Value = Pool> {
    let ranges = prop_oneof![
        ordered((mac(), mac())).prop_map(PoolRanges::Mac),
        ordered((wwn(), wwn())).prop_map(PoolRanges::Wwn)
    ];
    (name(), ranges, 0u64..1_000_000).prop_map(|(name, ranges, quarantine_seconds)| Pool {
        name,
        ranges,
        quarantine_seconds,
    })
}

fn qos_policy() -> impl Strategy<Value = QosPolicy> {
    (name(), any::<u32>(), any::<u32>(), any::<u32>(), 0u8..8).prop_map(|(name, a, b, burst_kib, priority)| {
        let (min_mbps, max_mbps) = if b == 0 { (a, 0) } else { (a.min(b), a.max(b)) };
        QosPolicy { name, min_mbps, max_mbps, burst_kib, priority }
    })
}

fn vlan() -> impl Strategy<Value = VlanMode> {
    let id = || (1u16..=4094).prop_map(|id| VlanId::new(id).unwrap());
    prop_oneof![
        Just(VlanMode::Native),
        id().prop_map(VlanMode::Access),
        prop::collection::btree_set(id(), 1..=MAX_TRUNK_VLANS).prop_map(VlanMode::Trunk)
    ]
}

fn mtu() -> impl Strategy<Value = Mtu> {
    (1280u16..=9000).prop_map(|octets| Mtu::new(octets).unwrap())
}

fn vnic_template() -> impl Strategy<Value = VnicTemplate> {
    (name(), vlan(), mtu(), prop::option::of(name()), name()).prop_map(|(lan, vlan, mtu, qos, mac_pool)| VnicTemplate {
        lan,
        vlan,
        mtu,
        qos,
        mac_pool,
    })
}

fn lun() -> impl Strategy<Value = LunNumber> {
    (0u32..1 << 14).prop_map(|number| LunNumber::new(number).unwrap())
}

fn luns() -> impl Strategy<Value = LunChoice> {
    prop::collection::btree_set(lun(), 0..4).prop_map(|mask| LunChoice { boot: mask.first().copied(), mask })
}

/// Without a CHAP secret, which no message gives back.
fn san() -> impl Strategy<Value = San> {
    let port = prop_oneof![
        (any::<std::net::SocketAddrV4>(), "iqn[.][a-z0-9:-]{1,20}")
            .prop_filter("a port", |it| it.0.port() != 0)
            .prop_map(|(portal, target)| SanPort::Iscsi { portal: portal.into(), target }),
        "/[a-z/]{1,20}".prop_map(|folder| SanPort::File { folder: folder.into() }),
    ];
    let uplinks = prop::collection::btree_map(name(), port, 0..3);
    let disk = (1u64.., prop::sample::select(vec![512, 4096]));
    let disks = prop::collection::btree_map(name(), disk, 0..3);
    let masks = prop::collection::btree_map(wwn(), prop::collection::btree_map(lun(), name(), 1..3), 0..3);
    let fence = prop::sample::select(vec![SanFence::LunReset, SanFence::Login]);
    (name(), uplinks, fence, any::<(bool, bool)>(), disks, masks).prop_map(
        |(name, uplinks, fence, digests, disks, masks)| {
            let disks =
                disks.into_iter().map(|(name, (octets, block_length))| (name, SanDisk { octets, block_length }));
            let digests = SanDigests { header: digests.0, data: digests.1 };
            San { fence, digests, disks: disks.collect(), masks, ..San::plain(name, uplinks) }
        },
    )
}

fn vhba_template() -> impl Strategy<Value = VhbaTemplate> {
    (name(), prop::option::of(name()), name(), luns()).prop_map(|(san, qos, wwn_pool, luns)| VhbaTemplate {
        san,
        qos,
        wwn_pool,
        luns,
    })
}

fn template() -> impl Strategy<Value = Template> {
    let mode = prop::sample::select(vec![TemplateMode::Initial, TemplateMode::Updating]);
    let vnics = prop::collection::btree_map(name(), vnic_template(), 0..4);
    let vhbas = prop::collection::btree_map(name(), vhba_template(), 0..4);
    (name(), mode, vnics, vhbas).prop_map(|(name, mode, vnics, vhbas)| Template { name, mode, vnics, vhbas })
}

fn uplinks() -> impl Strategy<Value = BTreeMap<Name, String>> {
    prop::collection::btree_map(name(), "[a-z0-9.]{1,13}x", 0..5)
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(modified, created_at, modified_at)| Stamp {
        modified: Revision(modified),
        created_at,
        modified_at,
    })
}

/// Reads a message whose name is `name`, and expects nothing wrong with it.
macro_rules! read {
    ($read:ident, $message:expr, $name:expr) => {{
        let mut problems = Problems::default();
        let value = $read($message, $name, &Path::Root("it"), &mut problems);
        problems.finish(value)
    }};
}

proptest! {
    #[test]
    fn directors(value in director(), stamp in stamp()) {
        prop_assert_eq!(read!(read_director, write_director(&value, stamp), value.name.clone()), Ok(value));
    }

    #[test]
    fn what_a_store_claimed_is_no_input(value in director(), store in "[a-z]{8}") {
        let claimed = Director { store_id: Some(store), ..value.clone() };
        let message = write_director(&claimed, Stamp::default());
        prop_assert_eq!(read!(read_director, message, value.name.clone()), Ok(value));
    }

    #[test]
    fn servers(value in server(), stamp in stamp()) {
        prop_assert_eq!(read!(read_server, write_server(&value, stamp), value.name.clone()), Ok(value));
    }

    #[test]
    fn lans(name in name(), uplinks in uplinks(), stamp in stamp()) {
        let value = Lan { name: name.clone(), uplinks };
        prop_assert_eq!(read!(read_lan, write_lan(&value, stamp), name), Ok(value));
    }

    #[test]
    fn sans(value in san(), stamp in stamp()) {
        prop_assert_eq!(read!(read_san, write_san(&value, stamp), value.name.clone()), Ok(value));
    }

    #[test]
    fn pools(value in pool(), stamp in stamp()) {
        prop_assert_eq!(read!(read_pool, write_pool(&value, stamp), value.name.clone()), Ok(value));
    }

    #[test]
    fn qos_policies(value in qos_policy(), stamp in stamp()) {
        prop_assert_eq!(read!(read_qos_policy, write_qos_policy(&value, stamp), value.name.clone()), Ok(value));
    }

    #[test]
    fn templates(value in template(), stamp in stamp()) {
        prop_assert_eq!(read!(read_template, write_template(&value, stamp), value.name.clone()), Ok(value));
    }

    /// Whole profiles are only written; what clients give of their adapters is read part by part.
    #[test]
    fn inputs_of_adapters(vlan in vlan(), mtu in mtu(), mac in mac(), wwpn in wwn(), wwnn in wwn(), pool in name()) {
        let profile = Name::new("web-1").unwrap();
        let home = Home::default();
        for (mac_source, wwn_source) in [
            (MacSource::Fixed(mac), WwnSource::Fixed { wwpn, wwnn }),
            (MacSource::Pool(pool.clone()), WwnSource::Pool(pool.clone())),
        ] {
            let vnic = Vnic {
                name: Name::new("eth0").unwrap(), id: AdapterId(1), mac, mac_source: mac_source.clone(), lan: pool.clone(),
                vlan: vlan.clone(), mtu, qos: None, home: home.clone(),
            };
            let vhba = Vhba {
                name: Name::new("hba0").unwrap(), id: AdapterId(2), wwpn, wwnn, wwn_source: wwn_source.clone(),
                san: pool.clone(), qos: None, luns: LunChoice::default(), home: home.clone(),
            };
            let (mut problems, at) = (Problems::default(), Path::Root("it"));
            let message = write_vnic(&profile, &vnic, Revision(1));
            prop_assert_eq!(read_mac_source(message.mac_source, &at, &mut problems), Some(mac_source));
            prop_assert_eq!(read_vlan(message.vlan, &at, &mut problems), Some(vlan.clone()));
            prop_assert_eq!(read_mtu(message.mtu, &at, &mut problems), Some(mtu));
            let message = write_vhba(&profile, &vhba, Revision(1));
            prop_assert_eq!(read_wwn_source(message.wwn_source, &at, &mut problems), Some(wwn_source));
        }
    }

    /// Numbers that no type refuses are refused here, and those it takes mean the same.
    #[test]
    fn any_numbers(vlan in any::<u32>(), mtu in any::<u32>()) {
        use twinrail_proto::grpc::v1;
        let (mut problems, at) = (Problems::default(), Path::Root("it"));
        let message = v1::Vlan { mode: Some(v1::vlan::Mode::Access(vlan)) };
        let expected = (1..=4094).contains(&vlan).then(|| VlanMode::Access(VlanId::new(vlan as u16).unwrap()));
        prop_assert_eq!(read_vlan(Some(message), &at, &mut problems), expected);
        let message = v1::Vlan { mode: Some(v1::vlan::Mode::Trunk(v1::vlan::Trunk { vlans: vec![vlan; 2] })) };
        let expected =
            (1..=4094).contains(&vlan).then(|| VlanMode::Trunk(BTreeSet::from([VlanId::new(vlan as u16).unwrap()])));
        prop_assert_eq!(read_vlan(Some(message), &at, &mut problems), expected);
        let expected = (1280..=9000).contains(&mtu).then(|| Mtu::new(mtu as u16).unwrap());
        prop_assert_eq!(read_mtu(Some(mtu), &at, &mut problems), expected);
    }
}
