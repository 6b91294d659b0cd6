//! What people see of the resources with tables in tables.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use twinrail_proto::grpc::v1;

use crate::cli::output::describe;

const START: i64 = 1_700_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(START as u64 + 300)
}

fn at(millis: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds: START, nanos: millis * 1_000_000 })
}

fn home(director: &str, successors: &[&str]) -> Option<v1::Home> {
    let successors = successors.iter().map(ToString::to_string).collect();
    Some(v1::Home { director: director.into(), epoch: 4, successors })
}

#[test]
fn a_profile() {
    let vnic = v1::Vnic {
        name: "profiles/web-1/vnics/eth0".into(),
        adapter_id: 7,
        mac: "02:00:5e:10:00:01".into(),
        mac_source: Some(v1::vnic::MacSource::MacPool("pools/macs".into())),
        lan: "lans/prod".into(),
        vlan: Some(v1::Vlan { mode: Some(v1::vlan::Mode::Access(10)) }),
        mtu: Some(9000),
        qos_policy: "qosPolicies/gold".into(),
        home: home("directors/d1", &["directors/d2", "directors/d3"]),
        etag: "42".into(),
        device: Some(v1::Device { state: v1::DeviceState::Failed.into(), problem: "the name is taken".into() }),
    };
    let vhba = v1::Vhba {
        name: "profiles/web-1/vhbas/hba0".into(),
        adapter_id: 8,
        wwpn: "50:01:43:80:00:00:00:01".into(),
        wwnn: "50:01:43:80:00:00:00:02".into(),
        wwn_source: None,
        san: "sans/array".into(),
        home: home("", &[]),
        etag: "42".into(),
        lun_mask: vec![0, 7],
        boot_lun: Some(0),
        ..Default::default()
    };
    let profile = v1::Profile {
        name: "profiles/web-1".into(),
        template: "templates/web".into(),
        vnics: [("eth0".into(), vnic)].into(),
        vhbas: [("hba0".into(), vhba)].into(),
        binding: Some(v1::Binding {
            server: "servers/s1".into(),
            state: v1::BindingState::Releasing.into(),
            target: "servers/s4".into(),
        }),
        etag: "42".into(),
        create_time: at(0),
        update_time: at(123),
    };
    insta::assert_snapshot!(describe(&profile, now()));
    insta::assert_snapshot!(describe(&profile.vnics["eth0"], now()));
    insta::assert_snapshot!(describe(&profile.vhbas["hba0"], now()));
}

#[test]
fn a_failover() {
    let seen = v1::AdapterMove {
        adapter_id: 7,
        resource: "profiles/web-1/vnics/eth0".into(),
        from: "directors/d1".into(),
        to: "directors/d2".into(),
        epoch: 4,
        carry_time: at(140),
        announce_time: at(141),
        phases: Vec::new(),
    };
    let unseen = v1::AdapterMove { to: String::new(), carry_time: None, announce_time: None, ..seen.clone() };
    let failover = v1::Failover {
        name: "failovers/f-42".into(),
        cause: Some(v1::failover::Cause::DirectorLost("directors/d1".into())),
        decided_by: "directors/d3".into(),
        last_seen_time: at(0),
        detect_time: at(80),
        decide_time: at(90),
        commit_time: at(123),
        moves: vec![seen, unseen],
        ..Default::default()
    };
    insta::assert_snapshot!(describe(&failover, now()));
}

#[test]
fn a_cluster() {
    let uplink =
        |lan: &str, state: v1::UplinkState| v1::Uplink { lan: lan.into(), port: "lan0".into(), state: state.into() };
    let path = v1::Path { rail: v1::Rail::A.into(), up: true, ..Default::default() };
    let down = v1::Path { rail: v1::Rail::B.into(), up: false, ..Default::default() };
    let own = v1::DirectorStatus {
        director: "directors/d1".into(),
        role: v1::DirectorRole::Active.into(),
        admin_state: v1::AdminState::Enabled.into(),
        alive: true,
        voter: true,
        leader: true,
        lease_remaining: Some(prost_types::Duration { seconds: 1, nanos: 234_000_000 }),
        adapters: 4,
        paths: Vec::new(),
        uplinks: vec![uplink("lans/prod", v1::UplinkState::Up)],
    };
    let other = v1::DirectorStatus {
        director: "directors/d2".into(),
        role: v1::DirectorRole::Spare.into(),
        admin_state: v1::AdminState::Drained.into(),
        leader: false,
        lease_remaining: None,
        adapters: 0,
        paths: vec![path, down],
        uplinks: vec![
            uplink("lans/backup", v1::UplinkState::Up),
            uplink("lans/prod", v1::UplinkState::NoCarrier),
            uplink("lans/test", v1::UplinkState::Unspecified),
        ],
        ..own.clone()
    };
    let cluster = v1::Cluster {
        name: "lab".into(),
        leader: "directors/d1".into(),
        term: 3,
        revision: 42,
        state_hash: "21f38c43b3d96d1c".into(),
        state_revision: 42,
        directors: vec![own, other],
        bound_adapters: 4,
        adapters_without_home: 0,
        answered_by: "directors/d1".into(),
    };
    insta::assert_snapshot!(describe(&cluster, now()));
}
