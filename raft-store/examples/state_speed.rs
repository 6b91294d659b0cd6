//! How fast the replicated state is, alone: no log, no disk, no network.
//!
//! `cargo run --release -p twinrail-raft-store --example state_speed`

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use twinrail_proto::domain::{
    AdminState, Director, DirectorId, DirectorRole, HomeMove, Lan, MacAddress, MacSource, Mtu, Name, Pool, PoolRanges,
    RailAddresses, Revision, Server, Template, TemplateMode, VlanMode, VnicTemplate,
};
use twinrail_raft_store::state::{Applied, Command, Operation, ProfileSpec, State, VnicSpec};

const PROFILES: usize = 1_000;
const VNICS_PER_PROFILE: usize = 4;

fn name(text: impl Into<String>) -> Name {
    Name::new(text).expect("a name")
}

/// A state, and the revision of its next command.
#[derive(Default)]
struct Bench {
    state: State,
    revision: u64,
}

impl Bench {
    fn apply(&mut self, operation: Operation) -> Applied {
        self.revision += 1;
        let command = Command { request_id: None, at: self.revision, actor: "bench".to_owned(), intent: 0, operation };
        self.state.apply(Revision(self.revision), &command).expect("accepted")
    }

    fn timed(&mut self, what: &str, operations: Vec<Operation>) {
        let (count, start) = (operations.len(), Instant::now());
        let effects: usize = operations.into_iter().map(|operation| self.apply(operation).effects.len()).sum();
        report(what, count, start.elapsed());
        assert!(effects > 0, "{what} changed nothing");
    }
}

fn report(what: &str, count: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:<52} {count:>6} in {took:>10.1?}  {rate:>10.0}/s");
}

fn main() {
    let mut bench = Bench::default();
    found(&mut bench);
    bench.timed("profiles of 4 vNICs from a template", profiles(PROFILES));
    bench.timed("single vNICs, 16 to a profile", single_vnics(PROFILES * VNICS_PER_PROFILE));
    bench.timed("bindings", bindings(&bench.state));
    failover(&mut bench);
    bench.timed(
        "an updating template that reaches 1,000 profiles",
        vec![Operation::UpdateTemplate { template: template(9000), if_match: None }],
    );
    reads(&bench.state);
}

fn found(bench: &mut Bench) {
    for id in 1..=3u8 {
        bench.apply(Operation::CreateDirector(Director {
            name: name(format!("d{id}")),
            id: DirectorId(id.into()),
            role: DirectorRole::Active,
            admin_state: AdminState::Enabled,
            rails: RailAddresses { a: [10, 1, 0, id].into(), b: [10, 2, 0, id].into() },
            api_address: format!("d{id}:7400"),
            store_id: None,
        }));
    }
    let uplinks = (1..=3).map(|id| (name(format!("d{id}")), "lan0".to_owned())).collect();
    bench.apply(Operation::CreateLan(Lan { name: name("prod"), uplinks }));
    let mac = |octets| MacAddress::new(octets).expect("a MAC");
    let ranges = PoolRanges::Mac(vec![(mac([2, 0, 0, 0, 0, 0]), mac([2, 0, 0, 1, 0xff, 0xff]))]);
    bench.apply(Operation::CreatePool(Pool { name: name("macs"), ranges, quarantine_seconds: 3_600 }));
    bench.apply(Operation::CreateTemplate(template(1500)));
    for number in 0..PROFILES {
        let server =
            Server { name: name(format!("s{number}")), machine_id: None, rails: None, spare: false, max_adapters: 64 };
        bench.apply(Operation::CreateServer(server));
    }
}

fn template(mtu: u16) -> Template {
    let vnic = VnicTemplate {
        lan: name("prod"),
        vlan: VlanMode::Native,
        mtu: Mtu::new(mtu).expect("an MTU"),
        qos: None,
        mac_pool: name("macs"),
    };
    let vnics = (0..VNICS_PER_PROFILE).map(|number| (name(format!("eth{number}")), vnic.clone())).collect();
    Template { name: name("web"), mode: TemplateMode::Updating, vnics, vhbas: BTreeMap::new() }
}

fn profiles(count: usize) -> Vec<Operation> {
    let spec = ProfileSpec { template: Some(name("web")), ..ProfileSpec::default() };
    (0..count).map(|number| Operation::CreateProfile { name: name(format!("p{number}")), spec: spec.clone() }).collect()
}

fn single_vnics(count: usize) -> Vec<Operation> {
    let spec = VnicSpec {
        lan: name("prod"),
        vlan: VlanMode::Native,
        mtu: Mtu::DEFAULT,
        qos: None,
        mac: MacSource::Pool(name("macs")),
    };
    let create = |number: usize| Operation::CreateVnic {
        profile: name(format!("p{}", number / 16)),
        name: name(format!("own{}", number % 16)),
        spec: spec.clone(),
        if_match: None,
    };
    (0..count).map(create).collect()
}

/// Each adapter with a home; a third of them on each director.
fn bindings(state: &State) -> Vec<Operation> {
    let directors = [name("d1"), name("d2"), name("d3")];
    let bind = |number: usize| {
        let profile = name(format!("p{number}"));
        let adapters = state.profiles()[&profile].value.adapters();
        let homes = adapters.map(|adapter| {
            let home = adapter.id.0 as usize % 3;
            HomeMove {
                adapter: adapter.id,
                expected: adapter.home.epoch,
                to: Some(directors[home].clone()),
                successors: vec![directors[(home + 1) % 3].clone(), directors[(home + 2) % 3].clone()],
            }
        });
        let homes = homes.collect();
        Operation::BindProfile { server: name(format!("s{number}")), homes, if_match: None, profile }
    };
    (0..PROFILES).map(bind).collect()
}

/// One director is lost: each of its adapters moves to the first successor, in one command.
fn failover(bench: &mut Bench) {
    let lost = name("d1");
    let profiles = bench.state.profiles().values().map(|versioned| &versioned.value);
    let at_home = profiles.flat_map(|profile| profile.adapters()).filter(|it| it.home.director.as_ref() == Some(&lost));
    let moves: Vec<HomeMove> = at_home
        .map(|adapter| HomeMove {
            adapter: adapter.id,
            expected: adapter.home.epoch,
            to: adapter.home.successors.first().cloned(),
            successors: adapter.home.successors[1..].to_vec(),
        })
        .collect();
    let count = moves.len();
    let start = Instant::now();
    bench.apply(Operation::ChangeHomes { cause_note: "d1 lost".to_owned(), moves, receipt: None });
    report("adapters of a lost director, in one command", count, start.elapsed());
}

fn reads(state: &State) {
    let servers: Vec<Name> = state.servers().keys().cloned().collect();
    let start = Instant::now();
    let found: usize = servers.iter().map(|server| state.profiles_on(server).count()).sum();
    report("profiles looked up by server", found, start.elapsed());

    let start = Instant::now();
    state.validate().expect("the invariants hold");
    report("all invariants", 1, start.elapsed());

    let start = Instant::now();
    let hash = state.hash();
    report("hash", 1, start.elapsed());

    let start = Instant::now();
    let snapshot = rmp_serde::to_vec_named(state).expect("encodes");
    report(&format!("snapshot of {} KiB encoded", snapshot.len() / 1024), 1, start.elapsed());

    let start = Instant::now();
    let read: State = rmp_serde::from_slice(&snapshot).expect("decodes");
    report("snapshot decoded", 1, start.elapsed());
    assert_eq!(read.hash(), hash);

    let vnics = state.profiles().values().flat_map(|profile| profile.value.vnics.values());
    let macs: BTreeSet<MacAddress> = vnics.map(|vnic| vnic.mac).collect();
    assert_eq!(macs.len(), 2 * PROFILES * VNICS_PER_PROFILE, "every MAC is unique");
}
