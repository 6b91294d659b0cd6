//! Bad input: every wrong field of a message is named, with its path, in one answer.

use prost::Message as _;
use twinrail_proto::domain::Name;
use twinrail_proto::grpc::convert::*;
use twinrail_proto::grpc::v1;

type Read<M, T> = fn(M, Name, &Path<'_>, &mut Problems) -> Option<T>;

fn refuse<M, T: std::fmt::Debug>(read: Read<M, T>, message: M, root: &str) -> String {
    let mut problems = Problems::default();
    let value = read(message, Name::new("x").unwrap(), &Path::Root(root), &mut problems);
    let errors = problems.finish(value).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_template_with_everything_wrong() {
    let access = |vlan| Some(v1::Vlan { mode: Some(v1::vlan::Mode::Access(vlan)) });
    let trunk = |vlans| Some(v1::Vlan { mode: Some(v1::vlan::Mode::Trunk(v1::vlan::Trunk { vlans })) });
    let good = v1::VnicTemplate { lan: "lans/prod".into(), mac_pool: "pools/macs".into(), ..Default::default() };
    let vnics = [
        ("eth0", v1::VnicTemplate { vlan: access(4095), ..good.clone() }),
        ("eth1", v1::VnicTemplate { vlan: access(99_999), mtu: Some(70_000), ..good.clone() }),
        ("eth2", v1::VnicTemplate { vlan: trunk(vec![]), ..good.clone() }),
        ("eth3", v1::VnicTemplate { vlan: trunk((1..200).collect()), mtu: Some(1279), ..good.clone() }),
        ("eth4", v1::VnicTemplate { lan: "prod".into(), qos_policy: "gold".into(), ..Default::default() }),
        ("eth5", v1::VnicTemplate { vlan: access(0), mtu: Some(0), ..good.clone() }),
        ("Eth 6", good),
    ];
    let message = v1::Template {
        mode: 9,
        vnics: vnics.into_iter().map(|(key, vnic)| (key.to_owned(), vnic)).collect(),
        vhbas: [("hba0".to_owned(), v1::VhbaTemplate::default())].into(),
        ..Default::default()
    };
    insta::assert_snapshot!(refuse(read_template, message, "template"));
}

#[test]
fn a_director_with_everything_wrong() {
    let rails = v1::RailAddresses { a: "10.0.0.300".into(), b: "".into() };
    let message =
        v1::Director { role: 0, admin_state: 7, rails: Some(rails), api_address: "d1".into(), ..Default::default() };
    insta::assert_snapshot!(refuse(read_director, message, "director"));
    let rails = v1::RailAddresses { a: "10.0.0.1".into(), b: "10.0.0.1".into() };
    let message = v1::Director { id: 1, role: 1, rails: Some(rails), api_address: "d1:0".into(), ..Default::default() };
    insta::assert_snapshot!(refuse(read_director, message, "director"));
}

#[test]
fn a_server_with_everything_wrong() {
    let rails = v1::RailAddresses { a: "224.0.0.1".into(), b: "0.0.0.0".into() };
    let message = v1::Server { machine_id: "a b".into(), rails: Some(rails), max_adapters: 257, ..Default::default() };
    insta::assert_snapshot!(refuse(read_server, message, "server"));
}

#[test]
fn clouds_with_wrong_uplinks() {
    let uplink = |director: &str, port: &str| v1::LanUplink { director: director.into(), port: port.into() };
    let uplinks = vec![
        uplink("directors/d1", "lan0"),
        uplink("directors/d1", "a-name-of-more-than-15"),
        uplink("d2", "lan0"),
        uplink("directors/d3", "../x"),
    ];
    insta::assert_snapshot!(refuse(read_lan, v1::Lan { uplinks, ..Default::default() }, "lan"));
    let ports = ["", "iscsi://array:3260/iqn.a", "file:san", "fc0"];
    let uplinks = ports.map(|port| v1::SanUplink { director: "directors/d1".into(), port: port.into() }).into();
    let mask = |wwpn: &str, lun, disk: &str| v1::LunMask { wwpn: wwpn.into(), lun, disk: disk.into() };
    let masks = vec![mask("50", 99999, "root"), mask("5001438000000001", 0, "Root!")];
    insta::assert_snapshot!(refuse(read_san, v1::San { uplinks, fence: 7, masks, ..Default::default() }, "san"));
}

#[test]
fn pools_with_wrong_ranges() {
    let range = |first: &str, last: &str| v1::MacRange { first: first.into(), last: last.into() };
    let ranges = vec![
        range("01:00:5e:00:00:01", "02:00:00:00:00:zz"),
        range("02:00:00:00:00:09", "02:00:00:00:00:01"),
        range("02:00:00:00:00:10", "02:00:00:00:00:1f"),
    ];
    let message = v1::Pool {
        ranges: Some(v1::pool::Ranges::Mac(v1::MacRanges { ranges })),
        quarantine: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    insta::assert_snapshot!(refuse(read_pool, message, "pool"));
    insta::assert_snapshot!(refuse(read_pool, v1::Pool::default(), "pool"));
}

#[test]
fn a_qos_policy_that_guarantees_more_than_it_allows() {
    let message = v1::QosPolicy { min_mbps: 10, max_mbps: 5, priority: 8, ..Default::default() };
    insta::assert_snapshot!(refuse(read_qos_policy, message, "qos_policy"));
}

/// A hostile message cannot make an answer that is larger than what gRPC carries.
#[test]
fn a_thousand_wrong_fields_make_a_short_answer() {
    let uplinks = vec![v1::LanUplink::default(); 1000];
    let message = v1::Lan { uplinks, ..Default::default() };
    assert!(message.encoded_len() > 1000);
    assert!(refuse(read_lan, message, "lan").len() < 8 * 1024);
}
