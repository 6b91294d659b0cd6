//! Every rejection: its reason, its kind, the field and the resource it blames, and a part of what it says. That the state is
//! unchanged, and that a preview says the same, is checked for each line by `state_support`.

mod state_support;

use std::collections::BTreeSet;

use RejectionKind::*;
use state_support::{CLUSTER, Cluster};
use twinrail_raft_store::state::RejectionKind;

/// What was done before, the line that is refused, and how.
struct Case {
    before: &'static str,
    line: &'static str,
    expected: (RejectionKind, &'static str, Option<&'static str>, Option<&'static str>),
    says: &'static str,
}

const WEB: &str = "profile web-1 template=web";
const BOUND: &str = "profile web-1 template=web\nbind web-1 s1 eth0=d1>d2 eth1=d1>d2";
const RELEASING: &str = "profile web-1 template=web\nbind web-1 s1 eth0=d1>d2\nrelease web-1 s2";
const STORED: &str = "profile db vhba:hba0=fast,wwns\nbind db s1 hba0=d1>d2";

macro_rules! case {
    ($before:expr, $line:expr => $kind:ident, $reason:literal, $field:expr, $resource:expr, $says:literal) => {
        Case { before: $before, line: $line, expected: ($kind, $reason, $field, $resource), says: $says }
    };
}

/// About requests, references and values.
const VALUES: &[Case] = &[
    case!("", "lan x request=" => InvalidArgument, "REQUEST_ID_MALFORMED", Some("request_id"), None, "empty"),
    case!("lan x request=r intent=1", "lan y request=r intent=2" => InvalidArgument, "REQUEST_ID_REUSED",
        Some("request_id"), None, "another operation"),
    case!("", "recall request=r" => Aborted, "REQUEST_NOT_REMEMBERED", Some("request_id"), None, "'r'"),
    case!("", "found other" => FailedPrecondition, "OTHER_CLUSTER", Some("cluster"), None, "'demo', not 'other'"),
    case!("", "qos bad priority=8" => InvalidArgument, "INVALID_VALUE", Some("qos_policy.priority"), None, "0 to 7"),
    case!("", "qos bad min=2 max=1" => InvalidArgument, "INVALID_VALUE", Some("qos_policy.min_mbps"), None, "above"),
    case!("", "server bad max=0" => InvalidArgument, "INVALID_VALUE", Some("server.max_adapters"), None, "1 to 256"),
    case!("", "server bad a=10.9.0.1 b=255.255.255.255" => InvalidArgument, "INVALID_VALUE", Some("server.rails.b"), None,
        "no machine's address"),
    case!("", "director bad id=9 api=host:0" => InvalidArgument, "INVALID_VALUE", Some("director.api_address"), None,
        "host:port"),
    case!("", "director bad id=9 api=:7400" => InvalidArgument, "INVALID_VALUE", Some("director.api_address"), None, "host:port"),
    case!("", "director bad id=9 store=é" => InvalidArgument, "INVALID_VALUE", Some("director.store_id"), None, "'é'"),
    case!("", "lan bad d1=" => InvalidArgument, "INVALID_VALUE", Some("lan.uplinks[d1]"), None, "empty"),
    case!("", "claim-director 77 x" => InvalidArgument, "INVALID_VALUE", Some("id"), None, "77"),
    case!("", "delete-profile web-9" => NotFound, "RESOURCE_NOT_FOUND", None, Some("profiles/web-9"), "no profile 'web-9'"),
    case!("", "profile p vnic:eth0=nowhere,macs" => NotFound, "RESOURCE_NOT_FOUND", Some("profile.vnics[eth0].lan"),
        Some("lans/nowhere"), "no LAN 'nowhere'"),
    case!(WEB, "bind web-1 s9" => NotFound, "RESOURCE_NOT_FOUND", Some("server"), Some("servers/s9"), "no server 's9'"),
    case!(BOUND, "release web-1 s9" => NotFound, "RESOURCE_NOT_FOUND", Some("server"), Some("servers/s9"), "no server 's9'"),
    case!("", "lan prod" => AlreadyExists, "RESOURCE_EXISTS", None, Some("lans/prod"), "exists already"),
    case!("", "update-lan prod etag=1" => Aborted, "STALE_ETAG", Some("etag"), Some("lans/prod"), "revision 6"),
    case!(WEB, "delete pools/macs" => FailedPrecondition, "RESOURCE_IN_USE", None, Some("pools/macs"), "and 3 more"),
    case!("", "delete failovers/f-1" => InvalidArgument, "NOT_DELETABLE", None, Some("failovers/f-1"), "a record"),
    case!("", "director d9 id=1 a=10.9.0.1 b=10.9.0.2" => AlreadyExists, "DIRECTOR_ID_TAKEN", Some("director.id"),
        Some("directors/d1"), "belongs to director 'd1'"),
    case!("", "update-director d1 id=9" => InvalidArgument, "FIELD_IMMUTABLE", Some("director.id"), Some("directors/d1"), "is 1"),
    case!("server s8 a=10.9.0.1 b=10.9.0.2", "server s9 a=10.9.0.2 b=10.9.0.3" => AlreadyExists, "ADDRESS_TAKEN",
        Some("server.rails.a"), Some("servers/s8"), "10.9.0.2"),
    case!("claim-director 1 one", "claim-director 1 two" => PermissionDenied, "DIRECTOR_CLAIMED", None, Some("directors/d1"),
        "another store"),
    case!("attach s9 m 10.9.0.1 10.9.0.2", "attach s9 n 10.9.0.1 10.9.0.2" => PermissionDenied, "SERVER_CLAIMED", None,
        Some("servers/s9"), "another machine"),
    case!("", "director d9 id=9 a=10.9.0.1 b=10.1.0.2" => AlreadyExists, "ADDRESS_TAKEN", Some("director.rails.b"),
        Some("directors/d2"), "10.1.0.2"),
];

/// About identities, pools and templates.
const IDENTITIES: &[Case] = &[
    case!(WEB, "profile p vnic:eth0=prod,02:00:00:00:00:01" => AlreadyExists, "IDENTITY_IN_USE",
        Some("profile.vnics[eth0].mac"), Some("profiles/web-1/vnics/eth0"), "02:00:00:00:00:01"),
    case!("profile p vnic:eth0=prod,macs\ndelete-profile p", "profile p vnic:eth0=prod,02:00:00:00:00:01" =>
        FailedPrecondition, "IDENTITY_IN_QUARANTINE", Some("profile.vnics[eth0].mac"), None, "another 60 s"),
    case!("pool one mac=02:cc:00:00:00:01-02:cc:00:00:00:01", "profile p vnic:a=prod,one vnic:b=prod,one" =>
        ResourceExhausted, "POOL_EXHAUSTED", Some("profile.vnics[b].mac"), Some("pools/one"), "'one' is exhausted"),
    case!("", "profile p vnic:a=prod,wwns" => InvalidArgument, "WRONG_POOL_KIND", Some("profile.vnics[a].mac"),
        Some("pools/wwns"), "MACs"),
    case!("", "profile p vhba:a=fast,macs" => InvalidArgument, "WRONG_POOL_KIND", Some("profile.vhbas[a].wwn"),
        Some("pools/macs"), "WWNs"),
    case!("", "pool more wwn=50:00:00:00:00:00:00:08-50:00:00:00:00:00:00:09" => InvalidArgument, "POOLS_OVERLAP",
        Some("pool.ranges[0]"), Some("pools/wwns"), "'wwns'"),
    case!(WEB, "update-pool macs mac=02:00:00:00:00:02-02:00:00:00:00:08" => FailedPrecondition, "POOL_RANGE_IN_USE",
        Some("pool.ranges"), Some("pools/macs"), "02:00:00:00:00:01"),
    case!(WEB, "vnic web-1/eth0 prod,macs" => AlreadyExists, "ADAPTER_EXISTS", Some("vnic"),
        Some("profiles/web-1/vnics/eth0"), "exists already"),
    case!(WEB, "profile p template=web vnic:eth1=prod,macs" => AlreadyExists, "ADAPTER_EXISTS", Some("profile.vnics[eth1]"),
        Some("profiles/p/vnics/eth1"), "exists already"),
    case!(WEB, "delete-vnic web-1/eth9" => NotFound, "ADAPTER_NOT_FOUND", None, Some("profiles/web-1/vnics/eth9"), "eth9"),
    case!(WEB, "delete-vhba web-1/eth0" => NotFound, "ADAPTER_NOT_FOUND", None, Some("profiles/web-1/vhbas/eth0"), "eth0"),
    case!(WEB, "update-vnic web-1/eth0 dev,macs" => FailedPrecondition, "RULED_BY_TEMPLATE", None,
        Some("profiles/web-1/vnics/eth0"), "'web'"),
    case!("profile p template=web vnic:own=prod,macs", "update-template web updating vnic:own=prod,macs" =>
        FailedPrecondition, "TEMPLATE_CONFLICT", Some("template.vnics[own]"), Some("profiles/p/vnics/own"), "not from template"),
    case!("template once vnic:eth0=prod,macs\nprofile p template=once", "update-template once updating" =>
        FailedPrecondition, "TEMPLATE_MODE_FIXED", Some("template.mode"), Some("templates/once"), "(1)"),
];

/// About bindings and homes.
const BINDINGS: &[Case] = &[
    case!(BOUND, "bind web-1 s2" => FailedPrecondition, "PROFILE_ALREADY_BOUND", None, Some("profiles/web-1"), "'s1'"),
    case!(RELEASING, "bind web-1 s2" => FailedPrecondition, "PROFILE_ALREADY_BOUND", None, Some("profiles/web-1"), "'s1'"),
    case!(BOUND, "delete-profile web-1" => FailedPrecondition, "PROFILE_STILL_BOUND", None, Some("profiles/web-1"), "'s1'"),
    case!(WEB, "release web-1 s1" => FailedPrecondition, "PROFILE_NOT_BOUND", None, Some("profiles/web-1"), "deploy it"),
    case!(BOUND, "release web-1 s1" => InvalidArgument, "SAME_SERVER", Some("server"), Some("profiles/web-1"), "'s1'"),
    case!(WEB, "bind web-1 s3" => FailedPrecondition, "SERVER_IS_SPARE", Some("server"), Some("servers/s3"), "a spare"),
    case!("profile p template=web vnic:own=prod,macs", "bind p s2" => ResourceExhausted, "SERVER_FULL", Some("server"),
        Some("servers/s2"), "3 adapters, its limit is 2"),
    case!("profile p template=web vnic:own=prod,macs\nbind p s1", "release p s2" => ResourceExhausted, "SERVER_FULL",
        Some("server"), Some("servers/s2"), "3 adapters"),
    case!(RELEASING, "update-server s2 max=1" => ResourceExhausted, "SERVER_FULL", Some("server"), Some("servers/s2"), "its limit is 1"),
    case!("profile p template=web\nprofile q template=web\nbind p s1", "bind q s1" => FailedPrecondition,
        "DEVICE_NAME_TAKEN", None, Some("servers/s1"), "'eth0'"),
    case!("profile p template=web\nprofile q vnic:eth5=prod,macs\nbind p s1\nbind q s1",
        "update-template web updating vnic:eth5=prod,macs" => FailedPrecondition, "DEVICE_NAME_TAKEN", None,
        Some("servers/s1"), "'eth5'"),
    case!("profile p vnic:a=prod,macs\nprofile q vnic:b=prod,macs\nbind p s1\nbind q s2\nrelease q s1",
        "vnic p/b prod,macs" => FailedPrecondition, "DEVICE_NAME_TAKEN", None, Some("servers/s1"), "'b'"),
    case!(RELEASING, "delete-server s2" => FailedPrecondition, "RESOURCE_IN_USE", None, Some("servers/s2"), "profiles/web-1"),
    case!(RELEASING, "complete web-1 s1 revision=1" => Aborted, "STALE_RELEASE", None, Some("profiles/web-1"), "after 1"),
    case!(BOUND, "complete web-1 s1" => Aborted, "STALE_RELEASE", None, Some("profiles/web-1"), "active"),
    case!(BOUND, "homes web-1/eth0=d2@9" => Aborted, "STALE_EPOCH", None, Some("profiles/web-1/vnics/eth0"), "epoch 1"),
    case!(WEB, "bind web-1 s1 eth0=d1@1" => Aborted, "STALE_EPOCH", None, Some("profiles/web-1/vnics/eth0"), "epoch 0"),
    case!(BOUND, "homes #99=d1" => NotFound, "ADAPTER_GONE", None, None, "99"),
    case!(BOUND, "homes web-1/eth0=d2 web-1/eth0=d2" => InvalidArgument, "ADAPTER_NAMED_TWICE", None, None, "twice"),
    case!("profile p vnic:a=prod,macs\nprofile q vnic:b=prod,macs", "bind p s1 #2=d1" => InvalidArgument,
        "FOREIGN_ADAPTER", None, Some("profiles/q/vnics/b"), "not of profile 'p'"),
    case!(WEB, "homes web-1/eth0=d1" => FailedPrecondition, "HOME_WITHOUT_SERVER", None, Some("profiles/web-1/vnics/eth0"), "no server"),
    case!(BOUND, "homes web-1/eth0=d4" => FailedPrecondition, "DIRECTOR_UNFIT", None, Some("directors/d4"), "a witness"),
    case!(BOUND, "homes web-1/eth1=d3" => FailedPrecondition, "DIRECTOR_UNFIT", None, Some("directors/d3"), "lans/dev"),
    case!(STORED, "homes db/hba0=d3" => FailedPrecondition, "DIRECTOR_UNFIT", None, Some("directors/d3"), "sans/fast"),
    case!("update-director d2 id=2 drained\nprofile web-1 template=web\nbind web-1 s1 eth0=d1", "homes web-1/eth0=d2" =>
        FailedPrecondition, "DIRECTOR_UNFIT", None, Some("directors/d2"), "drained"),
    case!(BOUND, "delete-director d1" => FailedPrecondition, "DIRECTOR_IS_HOME", None, Some("directors/d1"), "and 1 more"),
    case!(BOUND, "update-director d1 id=1 role=witness" => FailedPrecondition, "DIRECTOR_IS_HOME", None, Some("directors/d1"), "drain"),
    case!(BOUND, "update-lan prod d2=lan0" => FailedPrecondition, "UPLINK_IN_USE", Some("lan.uplinks[d1]"), Some("directors/d1"), "eth0"),
    case!(STORED, "update-san fast d2=fc0" => FailedPrecondition, "UPLINK_IN_USE", Some("san.uplinks[d1]"), Some("directors/d1"), "hba0"),
    case!("delete-director d2\ndelete-director d3", "delete-director d1" => FailedPrecondition, "LAST_DIRECTOR", None,
        Some("directors/d1"), "last one"),
    case!("profile web-1 template=web\nbind web-1 s1 eth0=d1\nhomes web-1/eth0=d2 receipt=d2",
        "carried f-18 d1 carrying=web-1/eth0:5" => InvalidArgument, "NOT_IN_RECEIPT", None, Some("failovers/f-18"), "'d1'"),
    case!(BOUND, "homes web-1/eth0=d2 receipt=d2 stray=web-1/eth1" => InvalidArgument, "RECEIPT_MISMATCH", None, None, "adapter 2"),
];

#[test]
fn each_rejection_says_what_was_wrong_and_where() {
    for case in VALUES.iter().chain(IDENTITIES).chain(BINDINGS) {
        let mut cluster = Cluster::new(CLUSTER);
        cluster.run(case.before);
        let Err(rejection) = cluster.tell(case.line) else { panic!("{} was accepted", case.line) };
        let resource = rejection.resource();
        let actual = (rejection.kind(), rejection.reason(), rejection.field(), resource.as_deref());
        assert_eq!(actual, case.expected, "{}: {rejection}", case.line);
        assert!(rejection.to_string().contains(case.says), "{}: {rejection}", case.line);
    }
}

/// Reads the reasons from the source, so that a new rejection without a test is noticed. Limits have tests of their own.
#[test]
fn no_rejection_is_without_a_test() {
    let source = include_str!("../src/state/rejection/classify.rs");
    let quoted = source.split('"').skip(1).step_by(2);
    let reasons: BTreeSet<&str> =
        quoted.filter(|text| !text.is_empty() && text.chars().all(|c| c == '_' || c.is_ascii_uppercase())).collect();
    let tested = VALUES.iter().chain(IDENTITIES).chain(BINDINGS).map(|case| case.expected.1);
    let tested: BTreeSet<&str> = tested.chain(["LIMIT_REACHED", "QUARANTINE_FULL"]).collect();
    assert_eq!(reasons, tested);
}

#[test]
fn rejections_travel() {
    let mut cluster = Cluster::new(CLUSTER);
    let rejection = cluster.tell("homes #99=d1").unwrap_err();
    let json = serde_json::to_string(&rejection).unwrap();
    assert_eq!(json, r#"{"adapter_gone":{"adapter":99}}"#);
    assert_eq!(serde_json::from_str::<twinrail_raft_store::state::Rejection>(&json).unwrap(), rejection);
}
