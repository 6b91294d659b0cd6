//! Adapters, their specs and their homes.

use twinrail_proto::domain::{
    AdapterId, Epoch, FailoverCause, FailoverReceipt, HomeMove, LunChoice, MacSource, Mtu, Name, ReceiptMove,
    VhbaTemplate, VlanId, VlanMode, VnicTemplate, WwnSource,
};
use twinrail_raft_store::state::{State, VhbaSpec, VnicSpec};

use super::words::{name, parse};

/// `prod,macs,mtu=9000,vlan=10,qos=gold`; the MAC's source is a pool, or a MAC.
pub fn vnic(text: &str) -> VnicSpec {
    let mut parts = text.split(',');
    let (lan, source) = (name(parts.next().unwrap()), parts.next().expect("a source of the MAC"));
    let mac = match source.contains(':') {
        true => MacSource::Fixed(parse(source)),
        false => MacSource::Pool(name(source)),
    };
    let mut spec = VnicSpec { lan, vlan: VlanMode::Native, mtu: Mtu::DEFAULT, qos: None, mac };
    for (key, value) in parts.map(|part| part.split_once('=').expect("key=value")) {
        match key {
            "mtu" => spec.mtu = Mtu::new(parse(value)).unwrap(),
            "vlan" => spec.vlan = VlanMode::Access(VlanId::new(parse(value)).unwrap()),
            "trunk" => spec.vlan = trunk(value),
            "qos" => spec.qos = Some(name(value)),
            _ => panic!("{key} of a vNIC"),
        }
    }
    spec
}

/// `10+20`; `-` is none.
fn trunk(text: &str) -> VlanMode {
    let ids = text.split('+').filter(|id| *id != "-");
    VlanMode::Trunk(ids.map(|id| VlanId::new(parse(id)).unwrap()).collect())
}

/// `fast,wwns,qos=gold`; the source is a pool, or `wwpn+wwnn`.
pub fn vhba(text: &str) -> VhbaSpec {
    let mut parts = text.split(',');
    let (san, source) = (name(parts.next().unwrap()), parts.next().expect("a source of the names"));
    let wwn = match source.split_once('+') {
        Some((wwpn, wwnn)) => WwnSource::Fixed { wwpn: parse(wwpn), wwnn: parse(wwnn) },
        None => WwnSource::Pool(name(source)),
    };
    let qos = parts.next().and_then(|part| part.strip_prefix("qos=")).map(name);
    VhbaSpec { san, qos, wwn, luns: LunChoice::default() }
}

pub fn vnic_template(text: &str) -> VnicTemplate {
    let VnicSpec { lan, vlan, mtu, qos, mac } = vnic(text);
    let MacSource::Pool(mac_pool) = mac else { panic!("a template draws from a pool") };
    VnicTemplate { lan, vlan, mtu, qos, mac_pool }
}

pub fn vhba_template(text: &str) -> VhbaTemplate {
    let VhbaSpec { san, qos, wwn, luns } = vhba(text);
    let WwnSource::Pool(wwn_pool) = wwn else { panic!("a template draws from a pool") };
    VhbaTemplate { san, qos, wwn_pool, luns }
}

/// `#7`, or the name of an adapter of this profile, or `profile/adapter`. The highest number there is for an unknown one.
pub fn adapter_id(state: &State, profile: Option<&Name>, text: &str) -> AdapterId {
    if let Some(number) = text.strip_prefix('#') {
        return AdapterId(parse(number));
    }
    let (profile, adapter) = match text.split_once('/') {
        Some((profile, adapter)) => (name(profile), name(adapter)),
        None => (profile.expect("a profile").clone(), name(text)),
    };
    let found = state
        .profiles()
        .get(&profile)
        .and_then(|profile| profile.value.adapters().find(|it| *it.name == adapter).map(|it| it.id));
    found.unwrap_or(AdapterId(u32::MAX))
}

/// `eth0=d1>d2>d3@4`
pub fn home_move(state: &State, profile: Option<&Name>, adapter: &str, home: &str) -> HomeMove {
    let adapter = adapter_id(state, profile, adapter);
    let (directors, epoch) = match home.split_once('@') {
        Some((directors, epoch)) => (directors, Some(Epoch(parse(epoch)))),
        None => (home, None),
    };
    let present = state.adapter(adapter).map(|(_, adapter)| adapter.home.epoch);
    let mut names = directors.split('>');
    let to = names.next().filter(|to| *to != "none").map(name);
    let expected = epoch.or(present).unwrap_or_default();
    HomeMove { adapter, expected, to, successors: names.map(name).collect() }
}

/// A receipt as a planner would send it: what the state fills in is left wrong on purpose.
pub fn receipt(decided_by: &str, moves: &[HomeMove]) -> FailoverReceipt {
    let moves = moves.iter().map(|step| ReceiptMove {
        adapter: step.adapter,
        resource: "to be filled in".to_owned(),
        from: None,
        to: None,
        epoch: Epoch(0),
        carrying: None,
        announced: None,
        phases: Vec::new(),
    });
    FailoverReceipt {
        name: name("unnamed"),
        cause: FailoverCause::Operator,
        decided_by: name(decided_by),
        last_seen: 1,
        detected: 2,
        decided: 3,
        committed: Some(4),
        moves: moves.collect(),
        trace_id: None,
    }
}
