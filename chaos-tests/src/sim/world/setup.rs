//! The cluster as it was when the world begins: founded, with servers, profiles and the homes still to be given.

use std::collections::BTreeMap;

use twinrail_proto::domain::{
    AdminState, Director, DirectorId, DirectorRole, Lan, LunChoice, MacAddress, Name, Pool, PoolRanges, RailAddresses,
    Revision, San, SanPort, Server, Wwn, WwnSource,
};
use twinrail_raft_store::state::{Command, Operation, ProfileSpec, State, VhbaSpec};

use crate::sim::client::{REGISTERS, register, vnic_name, vnic_spec};
use crate::sim::consensus::{Durable, Log, Snapshot};
use crate::sim::context::Names;
use crate::sim::director::encode;
use crate::sim::params::Params;

/// So many MACs beyond those that the profiles need: few, so that they are soon used again.
const SPARE_MACS: u64 = 2;

/// What every director's disk holds.
pub fn durable(params: &Params, names: &Names) -> Durable {
    let mut state = State::default();
    let mut index = 0;
    for operation in operations(params, names) {
        index += 1;
        let command = Command { request_id: None, at: 1, actor: "setup".to_owned(), intent: 0, operation };
        state.apply(Revision(index), &command).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"));
    }
    let mut log = Log::default();
    log.compact(Snapshot { index, term: 0, state: encode(&state) });
    Durable { log, ..Durable::default() }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn operations(params: &Params, names: &Names) -> Vec<Operation> {
    let mut operations = vec![Operation::Found { cluster: "sim".to_owned() }];
    operations
        .extend((0u8..).zip(&names.directors).map(|(it, name)| Operation::CreateDirector(director(it, name, params))));
    operations.extend((0u8..).zip(&names.servers).map(|(it, name)| Operation::CreateServer(server(it, name))));
    let uplinks: BTreeMap<Name, String> = names.directors.iter().map(|it| (it.clone(), "lan0".to_owned())).collect();
    operations.push(Operation::CreateLan(Lan { name: name("prod"), uplinks }));
    let port = SanPort::Iscsi { portal: ([192, 0, 2, 7], 3260).into(), target: "iqn.2026-11.net.example:array".into() };
    let uplinks: BTreeMap<Name, SanPort> = names.directors.iter().map(|it| (it.clone(), port.clone())).collect();
    operations.push(Operation::CreateSan(San::plain(name("array"), uplinks)));
    let macs = u64::from(params.profiles) + SPARE_MACS;
    operations.push(pool(params, "macs", PoolRanges::Mac(vec![(mac(1), mac(macs))])));
    let wwns = 2 * u64::from(params.profiles);
    operations.push(pool(params, "wwns", PoolRanges::Wwn(vec![(wwn(1), wwn(wwns))])));
    operations.extend((0..REGISTERS).map(|it| Operation::CreateQosPolicy(register(it, 1))));
    for number in 0..params.profiles {
        let profile = name(&format!("p{number}"));
        let server = names.servers[usize::from(number % params.servers)].clone();
        operations.push(Operation::CreateProfile { name: profile.clone(), spec: profile_spec(number) });
        operations.push(Operation::BindProfile { profile, server, homes: Vec::new(), if_match: None });
    }
    operations
}

fn director(number: u8, name: &Name, params: &Params) -> Director {
    let actives = params.directors - params.spares - params.witnesses;
    let role = match number {
        it if it < actives => DirectorRole::Active,
        it if it < actives + params.spares => DirectorRole::Spare,
        _ => DirectorRole::Witness,
    };
    Director {
        name: name.clone(),
        id: DirectorId(u64::from(number) + 1),
        role,
        admin_state: AdminState::Enabled,
        rails: rails(number + 1),
        api_address: format!("{name}:7400"),
        store_id: None,
    }
}

fn server(number: u8, name: &Name) -> Server {
    let (machine_id, rails) = (Some(format!("machine-{name}")), Some(rails(number + 101)));
    Server { name: name.clone(), machine_id, rails, spare: false, max_adapters: 64 }
}

fn rails(host: u8) -> RailAddresses {
    RailAddresses { a: [10, 1, 0, host].into(), b: [10, 2, 0, host].into() }
}

fn mac(number: u64) -> MacAddress {
    MacAddress::from_u64(0x0200_0000_0000 + number).expect("a unicast address")
}

fn wwn(number: u64) -> Wwn {
    Wwn::new(0x5001_4380_0000_0000 + number).expect("a usable name")
}

fn pool(params: &Params, of: &str, ranges: PoolRanges) -> Operation {
    Operation::CreatePool(Pool { name: name(of), ranges, quarantine_seconds: params.quarantine_seconds })
}

/// The first two have a disk, too.
fn profile_spec(number: u8) -> ProfileSpec {
    let vhba =
        VhbaSpec { san: name("array"), qos: None, wwn: WwnSource::Pool(name("wwns")), luns: LunChoice::default() };
    let vhbas = if number < 2 { BTreeMap::from([(name(&format!("h{number}")), vhba)]) } else { BTreeMap::new() };
    ProfileSpec { template: None, vnics: BTreeMap::from([(vnic_name(number.into()), vnic_spec())]), vhbas }
}
