//! One full message of each resource, as clients get it in JSON. A change here is a change that clients see.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::*;
use twinrail_proto::grpc::convert::*;
use twinrail_proto::grpc::json::to_json;

const STAMP: Stamp = Stamp { modified: Revision(42), created_at: 1_700_000_000_000, modified_at: 1_700_000_000_123 };

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn rails() -> RailAddresses {
    RailAddresses { a: "10.1.0.1".parse().unwrap(), b: "fd00:2::1".parse().unwrap() }
}

fn home() -> Home {
    Home { director: Some(name("d1")), epoch: Epoch(3), successors: vec![name("d2"), name("d3")] }
}

fn vnic(key: &str, vlan: VlanMode, mac_source: MacSource) -> (Name, Vnic) {
    let vnic = Vnic {
        name: name(key),
        id: AdapterId(7),
        mac: "02:00:5e:10:00:01".parse().unwrap(),
        mac_source,
        lan: name("prod"),
        vlan,
        mtu: Mtu::new(9000).unwrap(),
        qos: Some(name("gold")),
        home: home(),
    };
    (name(key), vnic)
}

fn luns() -> LunChoice {
    let lun = |number| LunNumber::new(number).unwrap();
    LunChoice { mask: [lun(0), lun(7)].into(), boot: Some(lun(0)) }
}

fn vhba(key: &str, fixed: bool) -> (Name, Vhba) {
    let wwpn: Wwn = "50:01:43:80:00:00:00:01".parse().unwrap();
    let wwnn: Wwn = "50:01:43:80:00:00:00:02".parse().unwrap();
    let wwn_source = if fixed { WwnSource::Fixed { wwpn, wwnn } } else { WwnSource::Pool(name("wwns")) };
    let (san, qos) = (name("array"), Some(name("gold")));
    (
        name(key),
        Vhba { name: name(key), id: AdapterId(8), wwpn, wwnn, wwn_source, san, qos, luns: luns(), home: home() },
    )
}

fn profile(phase: BindingPhase) -> Profile {
    let trunk = BTreeSet::from([VlanId::new(10).unwrap(), VlanId::new(20).unwrap()]);
    let fixed = MacSource::Fixed("02:00:5e:10:00:01".parse().unwrap());
    Profile {
        name: name("web-1"),
        template: Some(name("web")),
        vnics: BTreeMap::from([
            vnic("eth0", VlanMode::Access(VlanId::new(10).unwrap()), MacSource::Pool(name("macs"))),
            vnic("eth1", VlanMode::Trunk(trunk), fixed),
            vnic("eth2", VlanMode::Native, MacSource::Pool(name("macs"))),
        ]),
        vhbas: BTreeMap::from([vhba("hba0", false), vhba("hba1", true)]),
        binding: Some(Binding { server: name("s1"), phase }),
    }
}

#[test]
fn director() {
    for (role, admin_state) in [
        (DirectorRole::Active, AdminState::Enabled),
        (DirectorRole::Spare, AdminState::Drained),
        (DirectorRole::Witness, AdminState::Enabled),
    ] {
        let director = Director {
            name: name("d1"),
            id: DirectorId(1),
            role,
            admin_state,
            rails: rails(),
            api_address: "192.0.2.1:7400".into(),
            store_id: Some("5f0c".into()),
        };
        insta::assert_json_snapshot!(to_json(&write_director(&director, STAMP)));
    }
}

#[test]
fn server() {
    let (machine_id, rails) = (Some("6d61".into()), Some(rails()));
    let server = Server { name: name("s1"), machine_id, rails, spare: true, max_adapters: 64 };
    insta::assert_json_snapshot!(to_json(&write_server(&server, STAMP)));
}

#[test]
fn clouds() {
    let uplinks = BTreeMap::from([(name("d1"), "lan0".to_owned()), (name("d2"), "lan1".to_owned())]);
    let lan = Lan { name: name("prod"), uplinks: uplinks.clone() };
    insta::assert_json_snapshot!(to_json(&write_lan(&lan, STAMP)));
    let port = |text: &str| text.parse::<SanPort>().unwrap();
    let iscsi = port("iscsi://192.0.2.7:3260/iqn.2026-11.net.example:array");
    let mut array = San::plain(name("array"), [(name("d1"), iscsi.clone()), (name("d2"), iscsi)].into());
    array.fence = SanFence::Login;
    array.chap = Some(ChapSecret { user: "twinrail".into(), secret: "never to be seen".into() });
    array.digests = SanDigests { header: true, data: false };
    insta::assert_json_snapshot!(to_json(&write_san(&array, STAMP)));
    let mut files = San::plain(name("files"), [(name("d1"), port("file:/var/lib/twinrail/san"))].into());
    files.disks.insert(name("root"), SanDisk { octets: 1 << 30, block_length: 4096 });
    let lun = LunNumber::new(3).unwrap();
    files.masks.insert("5001438000000001".parse().unwrap(), [(lun, name("root"))].into());
    insta::assert_json_snapshot!(to_json(&write_san(&files, STAMP)));
}

#[test]
fn pools() {
    let mac = |text: &str| text.parse::<MacAddress>().unwrap();
    let wwn = |text: &str| text.parse::<Wwn>().unwrap();
    let macs = PoolRanges::Mac(vec![(mac("02:00:00:00:00:00"), mac("02:00:00:00:ff:ff"))]);
    let wwns = PoolRanges::Wwn(vec![(wwn("5001438000000000"), wwn("500143800000ffff"))]);
    for (key, ranges) in [("macs", macs), ("wwns", wwns)] {
        let pool = Pool { name: name(key), ranges, quarantine_seconds: 600 };
        insta::assert_json_snapshot!(to_json(&write_pool(&pool, STAMP)));
    }
}

#[test]
fn qos_policy() {
    let policy = QosPolicy { name: name("gold"), min_mbps: 100, max_mbps: 1000, burst_kib: 256, priority: 5 };
    insta::assert_json_snapshot!(to_json(&write_qos_policy(&policy, STAMP)));
}

#[test]
fn template() {
    let vnic = VnicTemplate {
        lan: name("prod"),
        vlan: VlanMode::Access(VlanId::new(10).unwrap()),
        mtu: Mtu::new(9000).unwrap(),
        qos: Some(name("gold")),
        mac_pool: name("macs"),
    };
    let vhba = VhbaTemplate { san: name("array"), qos: Some(name("gold")), wwn_pool: name("wwns"), luns: luns() };
    for mode in [TemplateMode::Initial, TemplateMode::Updating] {
        let vnics = BTreeMap::from([(name("eth0"), vnic.clone())]);
        let vhbas = BTreeMap::from([(name("hba0"), vhba.clone())]);
        let template = Template { name: name("web"), mode, vnics, vhbas };
        insta::assert_json_snapshot!(to_json(&write_template(&template, STAMP)));
    }
}

#[test]
fn profiles() {
    insta::assert_json_snapshot!(to_json(&write_profile(&profile(BindingPhase::Active), STAMP)));
    let moving = profile(BindingPhase::Releasing { to: Some(name("s2")) });
    insta::assert_json_snapshot!(to_json(&write_profile(&moving, STAMP).binding.unwrap()));
    let going = profile(BindingPhase::Releasing { to: None });
    insta::assert_json_snapshot!(to_json(&write_profile(&going, STAMP).binding.unwrap()));
}

#[test]
fn failovers() {
    let step = ReceiptMove {
        adapter: AdapterId(7),
        resource: "profiles/web-1/vnics/eth0".into(),
        from: Some(name("d1")),
        to: Some(name("d2")),
        epoch: Epoch(4),
        carrying: Some(1_700_000_000_140),
        announced: Some(1_700_000_000_141),
        phases: vec![PhaseTime { phase: "login".into(), ms: 3 }],
    };
    let phases = Vec::new();
    let unseen = ReceiptMove { from: None, to: None, carrying: None, announced: None, phases, ..step.clone() };
    let receipt = FailoverReceipt {
        name: name("f-42"),
        cause: FailoverCause::DirectorLost(name("d1")),
        decided_by: name("d3"),
        last_seen: 1_700_000_000_000,
        detected: 1_700_000_000_080,
        decided: 1_700_000_000_090,
        committed: Some(1_700_000_000_123),
        moves: vec![step, unseen],
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    };
    insta::assert_json_snapshot!(to_json(&write_failover(&receipt, STAMP)));
    let paths_lost = FailoverCause::PathsLost { server: name("s1"), director: name("d1") };
    let drain = FailoverCause::Drain(name("d1"));
    let uplink_lost = FailoverCause::UplinkLost { director: name("d1"), lan: name("prod") };
    for cause in
        [paths_lost, drain, FailoverCause::Rebalance, FailoverCause::Operator, FailoverCause::Homeless, uplink_lost]
    {
        let receipt = FailoverReceipt { cause, moves: Vec::new(), trace_id: None, ..receipt.clone() };
        insta::assert_json_snapshot!(to_json(&write_failover(&receipt, STAMP)));
    }
}
