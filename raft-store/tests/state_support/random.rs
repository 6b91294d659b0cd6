//! Random lines over few names, so that they meet: most are sensible in some state, many are refused in the present one.

use proptest::prelude::*;
use proptest::sample::select;

/// What random lines start from: profiles at work, on the cluster of `state_support`.
pub const AT_WORK: &str = "
    server s4 max=5
    pool more mac=02:00:00:00:01:00-02:00:00:00:01:03
    template once vnic:eth0=prod,macs
    profile p1 template=web
    profile p3 template=web
    profile p2 vnic:eth2=prod,macs vhba:hba0=fast,wwns
    bind p1 s1 *=d1>d2
    bind p2 s4 *=d2>d1
";

/// A line; commands of daily life come more often than those that change the machines.
pub fn line() -> BoxedStrategy<String> {
    let command = prop_oneof![
        6 => profiles(),
        8 => adapters(),
        12 => bindings(),
        12 => homes(),
        3 => templates(),
        2 => clouds(),
        2 => machines(),
    ];
    (command, options()).prop_map(|(command, options)| format!("{command}{options}")).boxed()
}

/// Sometimes a later time, a request id that comes again, an etag that may be stale.
fn options() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => Just(String::new()),
        5 => (0u64..40).prop_map(|seconds| format!(" at={}", seconds * 1_000)),
        1 => (0u64..4, 0u64..3).prop_map(|(id, intent)| format!(" request=r{id} intent={intent}")),
        1 => (0u64..90).prop_map(|etag| format!(" etag={etag}")),
    ]
}

fn profile() -> impl Strategy<Value = &'static str> {
    select(vec!["p1", "p2", "p3", "p1", "p2", "p4"])
}

fn server() -> impl Strategy<Value = &'static str> {
    select(vec!["s1", "s4", "s1", "s2", "s3", "s4", "s9"])
}

fn director() -> impl Strategy<Value = &'static str> {
    select(vec!["d1", "d2", "d3", "d4", "d5"])
}

fn adapter() -> impl Strategy<Value = &'static str> {
    select(vec!["eth0", "eth1", "eth2", "hba0"])
}

fn vnic() -> impl Strategy<Value = String> {
    let fixed = (1u8..10).prop_map(|last| format!("02:00:00:00:00:{last:02x}"));
    let source = prop_oneof![4 => Just("macs".to_owned()), 1 => Just("more".to_owned()), 2 => fixed];
    let rest = select(vec!["", ",mtu=9000", ",vlan=10", ",trunk=10+20", ",qos=gold", ",qos=gold", ",qos=none"]);
    (select(vec!["prod", "prod", "prod", "dev", "dev", "dev", "lost"]), source, rest)
        .prop_map(|(lan, mac, rest)| format!("{lan},{mac}{rest}"))
}

fn vhba() -> impl Strategy<Value = String> {
    let fixed = (1u8..6, 1u8..6)
        .prop_map(|(port, node)| format!("50:00:00:00:00:00:00:{port:02x}+50:00:00:00:00:00:00:{node:02x}"));
    let source = prop_oneof![4 => Just("wwns".to_owned()), 2 => fixed];
    (select(vec!["fast", "fast", "fast", "fast", "lost"]), source).prop_map(|(san, wwn)| format!("{san},{wwn}"))
}

fn profiles() -> impl Strategy<Value = String> {
    let own = (select(vec!["eth0", "eth2"]), vnic()).prop_map(|(name, vnic)| format!(" vnic:{name}={vnic}"));
    let storage = vhba().prop_map(|vhba| format!(" vhba:hba0={vhba}"));
    let adapters = prop_oneof![Just(String::new()), own, storage];
    let template = select(vec!["", " template=web", " template=web", " template=once"]);
    prop_oneof![
        3 => (profile(), template, adapters).prop_map(|(name, template, adapters)| format!("profile {name}{template}{adapters}")),
        1 => profile().prop_map(|name| format!("delete-profile {name}")),
    ]
}

fn adapters() -> impl Strategy<Value = String> {
    let vnics = (select(vec!["vnic", "update-vnic"]), profile(), adapter(), vnic());
    let vhbas = (select(vec!["vhba", "update-vhba"]), profile(), vhba());
    prop_oneof![
        4 => vnics.prop_map(|(verb, profile, name, vnic)| format!("{verb} {profile}/{name} {vnic}")),
        2 => vhbas.prop_map(|(verb, profile, vhba)| format!("{verb} {profile}/hba0 {vhba}")),
        2 => (profile(), adapter()).prop_map(|(profile, name)| format!("delete-vnic {profile}/{name}")),
        1 => profile().prop_map(|profile| format!("delete-vhba {profile}/hba0")),
    ]
}

fn home() -> impl Strategy<Value = String> {
    let epoch = prop_oneof![9 => Just(String::new()), 1 => (0u64..4).prop_map(|epoch| format!("@{epoch}"))];
    let directors = prop_oneof![
        8 => proptest::collection::vec(select(vec!["d1", "d2", "d1", "d2", "d3"]), 1..3),
        1 => proptest::collection::vec(director(), 1..3),
        1 => Just(vec!["none"]),
    ];
    (directors, epoch).prop_map(|(directors, epoch)| format!("{}{epoch}", directors.join(">")))
}

fn bindings() -> impl Strategy<Value = String> {
    let homes = || {
        let home = prop_oneof![1 => Just(String::new()), 2 => (select(vec!["*", "*", "eth0", "hba0"]), home()).prop_map(|(name, home)| format!(" {name}={home}"))];
        home.boxed()
    };
    prop_oneof![
        2 => (profile(), server(), homes()).prop_map(|(profile, server, homes)| format!("bind {profile} {server}{homes}")),
        2 => (profile(), server()).prop_map(|(profile, server)| format!("release {profile} {server}")),
        1 => profile().prop_map(|profile| format!("release {profile}")),
        5 => (profile(), select(vec![".", ".", ".", "s1"]), homes()).prop_map(|(profile, server, homes)| format!("complete {profile} {server}{homes}")),
    ]
}

fn homes() -> impl Strategy<Value = String> {
    let step = || {
        (profile(), select(vec!["*", "*", "*", "*", "eth0", "eth2", "hba0"]), home())
            .prop_map(|(profile, name, home)| format!(" {profile}/{name}={home}"))
    };
    let receipt = select(vec!["", " receipt=d1"]);
    let report = (20u64..60, director(), profile(), adapter());
    prop_oneof![
        6 => (prop_oneof![4 => proptest::collection::vec(step(), 1), 1 => proptest::collection::vec(step(), 2)], receipt).prop_map(|(steps, receipt)| format!("homes{}{receipt}", steps.concat())),
        1 => report.prop_map(|(revision, director, profile, name)| {
            format!("carried f-{revision} {director} carrying={profile}/{name}:5 announced={profile}/{name}:6")
        }),
    ]
}

fn templates() -> impl Strategy<Value = String> {
    let lan = || select(vec!["prod", "dev"]);
    let pool = || select(vec!["macs", "macs", "more", "wwns"]);
    let one = (lan(), pool()).prop_map(|(lan, pool)| format!(" vnic:eth0={lan},{pool}"));
    let two =
        (lan(), pool(), lan()).prop_map(|(a, pool, b)| format!(" vnic:eth0={a},{pool},mtu=9000 vnic:eth1={b},{pool}"));
    let storage = Just(" vnic:eth0=prod,macs vhba:hba0=fast,wwns".to_owned());
    let adapters = prop_oneof![2 => one, 2 => two, 1 => storage].boxed();
    let verb = select(vec![
        "update-template web updating",
        "update-template web updating",
        "update-template once",
        "template once",
    ]);
    let mode = select(vec!["update-template web", "update-template once updating"]);
    prop_oneof![
        6 => (verb, adapters.clone()).prop_map(|(verb, adapters)| format!("{verb}{adapters}")),
        1 => (mode, adapters).prop_map(|(verb, adapters)| format!("{verb}{adapters}")),
    ]
}

fn clouds() -> impl Strategy<Value = String> {
    let directors = proptest::collection::btree_set(select(vec!["d1", "d2", "d3"]), 1..4);
    let uplinks =
        directors.prop_map(|them| them.into_iter().map(|it| format!(" {it}=lan0")).collect::<String>()).boxed();
    let pools = vec![
        "pool more mac=02:00:00:00:01:00-02:00:00:00:01:03",
        "update-pool more mac=02:00:00:00:01:00-02:00:00:00:01:01 quarantine=3",
        "update-pool macs mac=02:00:00:00:00:01-02:00:00:00:00:09 quarantine=20",
        "update-pool macs mac=02:00:00:00:00:04-02:00:00:00:00:09 quarantine=0",
        "update-pool wwns wwn=50:00:00:00:00:00:00:01-50:00:00:00:00:00:00:0a quarantine=9",
        "update-qos gold max=50",
    ];
    let deleted =
        vec!["lans/dev", "lans/prod", "sans/fast", "pools/macs", "pools/more", "qosPolicies/gold", "templates/once"];
    prop_oneof![
        3 => (select(vec!["prod", "dev"]), uplinks.clone()).prop_map(|(lan, uplinks)| format!("update-lan {lan}{uplinks}")),
        1 => uplinks.prop_map(|uplinks| format!("update-san fast{uplinks}")),
        3 => select(pools).prop_map(str::to_owned),
        1 => select(deleted).prop_map(|key| format!("delete {key}")),
    ]
}

fn machines() -> impl Strategy<Value = String> {
    let role = select(vec!["", "", " drained", " role=spare", " role=witness"]);
    let verb = select(vec!["director", "update-director", "update-director"]);
    prop_oneof![
        3 => (verb, 1u64..7, 1u64..7, role).prop_map(|(verb, name, id, role)| format!("{verb} d{name} id={id}{role}")),
        1 => director().prop_map(|name| format!("delete-director {name}")),
        1 => (1u64..6, select(vec!["x", "y"])).prop_map(|(id, store)| format!("claim-director {id} {store}")),
        1 => (server(), 1u64..6).prop_map(|(name, max)| format!("update-server {name} max={max}")),
        1 => server().prop_map(|name| format!("delete-server {name}")),
        2 => (server(), select(vec!["m", "n"]), 1u8..4).prop_map(|(name, machine, host)| {
            format!("attach {name} {machine} 10.8.0.{host} 10.9.0.{host}")
        }),
    ]
}
