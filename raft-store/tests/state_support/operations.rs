//! The verbs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use twinrail_proto::domain::{
    AdapterId, AdminState, Director, DirectorId, DirectorRole, HomeMove, Lan, Name, Pool, PoolRanges, QosPolicy,
    RailAddresses, ResourceKey, ResourceKind, Revision, San, SanPort, Server, Template, TemplateMode, UnixMillis,
};
use twinrail_raft_store::state::{Operation, ProfileSpec, State};

use super::adapters::{adapter_id, home_move, receipt, vhba, vhba_template, vnic, vnic_template};
use super::words::{Words, name, parse};

pub fn parse_operation(words: &mut Words<'_>, state: &State) -> Operation {
    parse_machines(words.next(), words, state)
}

fn parse_machines(verb: &str, words: &mut Words<'_>, state: &State) -> Operation {
    let if_match = words.etag();
    match verb {
        "recall" => Operation::Recall,
        "found" => Operation::Found { cluster: words.next().to_owned() },
        "director" => Operation::CreateDirector(director(words)),
        "update-director" => Operation::UpdateDirector { director: director(words), if_match },
        "delete-director" => Operation::DeleteDirector { name: words.name(), if_match },
        "claim-director" => {
            Operation::ClaimDirector { id: DirectorId(parse(words.next())), store_id: words.next().to_owned() }
        }
        "server" => Operation::CreateServer(server(words)),
        "update-server" => Operation::UpdateServer { server: server(words), if_match },
        "delete-server" => Operation::DeleteServer { name: words.name(), if_match },
        "attach" => {
            let (name, machine_id) = (words.name(), words.next().to_owned());
            let rails = RailAddresses { a: parse(words.next()), b: parse(words.next()) };
            Operation::AttachServer { name, machine_id, rails }
        }
        _ => parse_clouds(verb, words, state, if_match),
    }
}

fn parse_clouds(verb: &str, words: &mut Words<'_>, state: &State, if_match: Option<Revision>) -> Operation {
    match verb {
        "lan" => Operation::CreateLan(Lan { name: words.name(), uplinks: uplinks(words) }),
        "update-lan" => Operation::UpdateLan { lan: Lan { name: words.name(), uplinks: uplinks(words) }, if_match },
        "san" => Operation::CreateSan(San::plain(words.name(), san_uplinks(words))),
        "update-san" => Operation::UpdateSan { san: San::plain(words.name(), san_uplinks(words)), if_match },
        "pool" => Operation::CreatePool(pool(words)),
        "update-pool" => Operation::UpdatePool { pool: pool(words), if_match },
        "qos" => Operation::CreateQosPolicy(qos(words)),
        "update-qos" => Operation::UpdateQosPolicy { policy: qos(words), if_match },
        "template" => Operation::CreateTemplate(template(words)),
        "update-template" => Operation::UpdateTemplate { template: template(words), if_match },
        "delete" => Operation::Delete { key: key(words.next()), if_match },
        _ => parse_profiles(verb, words, state, if_match),
    }
}

fn parse_profiles(verb: &str, words: &mut Words<'_>, state: &State, if_match: Option<Revision>) -> Operation {
    let adapter = |words: &mut Words<'_>| words.adapter();
    match verb {
        "profile" => Operation::CreateProfile { name: words.name(), spec: profile(words) },
        "delete-profile" => Operation::DeleteProfile { name: words.name(), if_match },
        "vnic" => {
            let (profile, name) = adapter(words);
            Operation::CreateVnic { profile, name, spec: vnic(words.next()), if_match }
        }
        "update-vnic" => {
            let (profile, name) = adapter(words);
            Operation::UpdateVnic { profile, name, spec: vnic(words.next()), if_match }
        }
        "delete-vnic" => {
            let (profile, name) = adapter(words);
            Operation::DeleteVnic { profile, name, if_match }
        }
        "vhba" => {
            let (profile, name) = adapter(words);
            Operation::CreateVhba { profile, name, spec: vhba(words.next()), if_match }
        }
        "update-vhba" => {
            let (profile, name) = adapter(words);
            Operation::UpdateVhba { profile, name, spec: vhba(words.next()), if_match }
        }
        "delete-vhba" => {
            let (profile, name) = adapter(words);
            Operation::DeleteVhba { profile, name, if_match }
        }
        _ => parse_bindings(verb, words, state, if_match),
    }
}

fn parse_bindings(verb: &str, words: &mut Words<'_>, state: &State, if_match: Option<Revision>) -> Operation {
    match verb {
        "bind" => {
            let (profile, server) = (words.name(), words.name());
            let homes = homes(words, state, Some(&profile));
            Operation::BindProfile { profile, server, homes, if_match }
        }
        "release" => {
            let profile = words.name();
            Operation::ReleaseProfile { profile, to: words.next_plain().map(name), if_match }
        }
        "complete" => {
            let (profile, from) = (words.name(), words.next());
            let from = if from == "." { present_server(state, &profile) } else { name(from) };
            let present = state.profiles().get(&profile).map(|profile| profile.modified);
            let revision = words.number("revision").map(Revision).or(present).unwrap_or_default();
            let homes = homes(words, state, Some(&profile));
            Operation::CompleteRelease { profile, from, homes, revision }
        }
        "homes" => change_homes(words, state),
        "carried" => {
            let (failover, director) = (words.name(), words.name());
            let (carrying, announced) = (seen(words, state, "carrying"), seen(words, state, "announced"));
            let committed = words.number("committed");
            Operation::CompleteReceipt { failover, director, carrying, announced, phases: Vec::new(), committed }
        }
        _ => panic!("unknown verb {verb}"),
    }
}

fn change_homes(words: &mut Words<'_>, state: &State) -> Operation {
    let cause_note = words.option("note").unwrap_or_default();
    let decided_by = words.option("receipt");
    let stray = words.option("stray").map(|stray| adapter_id(state, None, &stray));
    let moves = homes(words, state, None);
    let receipt = decided_by.map(|decided_by| {
        let mut receipt = receipt(&decided_by, &moves);
        if let (Some(stray), Some(first)) = (stray, receipt.moves.first_mut()) {
            first.adapter = stray;
        }
        Box::new(receipt)
    });
    Operation::ChangeHomes { cause_note, moves, receipt }
}

/// `.`
fn present_server(state: &State, profile: &Name) -> Name {
    let binding = state.profiles().get(profile).and_then(|profile| profile.value.binding.clone());
    binding.map_or_else(|| name("nowhere"), |binding| binding.server)
}

/// `*` and `profile/*` name all adapters of the profile.
fn homes(words: &mut Words<'_>, state: &State, profile: Option<&Name>) -> Vec<HomeMove> {
    let mut moves = Vec::new();
    for (adapter, home) in words.pairs() {
        let owner = adapter.strip_suffix("/*").map(name).or(profile.filter(|_| adapter == "*").cloned());
        match owner {
            Some(owner) => {
                let ids = all_adapters(state, &owner);
                moves.extend(ids.into_iter().map(|id| home_move(state, None, &format!("#{id}"), home)));
            }
            None => moves.push(home_move(state, profile, adapter, home)),
        }
    }
    moves
}

fn all_adapters(state: &State, profile: &Name) -> Vec<AdapterId> {
    let profile = state.profiles().get(profile);
    profile.into_iter().flat_map(|profile| profile.value.adapters().map(|adapter| adapter.id)).collect()
}

/// `carrying=web-1/eth0:500,web-1/eth1:501`
fn seen(words: &mut Words<'_>, state: &State, key: &str) -> Vec<(AdapterId, UnixMillis)> {
    let list = words.option(key).unwrap_or_default();
    let pairs = list.split(',').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once(':').expect("adapter:time"));
    pairs.map(|(adapter, at)| (adapter_id(state, None, adapter), parse(at))).collect()
}

fn rails(words: &mut Words<'_>) -> Option<RailAddresses> {
    let (a, b): (Option<IpAddr>, Option<IpAddr>) =
        (words.option("a").map(|a| parse(&a)), words.option("b").map(|b| parse(&b)));
    a.zip(b).map(|(a, b)| RailAddresses { a, b })
}

fn director(words: &mut Words<'_>) -> Director {
    let name = words.name();
    let id = words.number("id").expect("id=");
    let role = match words.option("role").as_deref() {
        None | Some("active") => DirectorRole::Active,
        Some("spare") => DirectorRole::Spare,
        Some("witness") => DirectorRole::Witness,
        Some(other) => panic!("role {other}"),
    };
    let own = RailAddresses { a: [10, 1, 0, id as u8].into(), b: [10, 2, 0, id as u8].into() };
    Director {
        role,
        id: DirectorId(id),
        admin_state: if words.flag("drained") { AdminState::Drained } else { AdminState::Enabled },
        rails: rails(words).unwrap_or(own),
        api_address: words.option("api").unwrap_or_else(|| format!("{name}.example:7400")),
        store_id: words.option("store"),
        name,
    }
}

fn server(words: &mut Words<'_>) -> Server {
    Server {
        name: words.name(),
        machine_id: words.option("machine"),
        rails: rails(words),
        spare: words.flag("spare"),
        max_adapters: words.number("max").unwrap_or(256) as u32,
    }
}

fn uplinks(words: &mut Words<'_>) -> BTreeMap<Name, String> {
    words.pairs().into_iter().map(|(director, port)| (name(director), port.to_owned())).collect()
}

/// A word stands for the target of that name.
fn san_uplinks(words: &mut Words<'_>) -> BTreeMap<Name, SanPort> {
    let port = |target: String| parse(&format!("iscsi://192.0.2.7:3260/iqn.{target}"));
    uplinks(words).into_iter().map(|(director, target)| (director, port(target))).collect()
}

fn pool(words: &mut Words<'_>) -> Pool {
    let name = words.name();
    let quarantine_seconds = words.number("quarantine").unwrap_or(0);
    let ranges = match (words.option("mac"), words.option("wwn")) {
        (Some(ranges), None) => PoolRanges::Mac(list(&ranges)),
        (None, Some(ranges)) => PoolRanges::Wwn(list(&ranges)),
        _ => panic!("mac= or wwn="),
    };
    Pool { name, ranges, quarantine_seconds }
}

fn list<T: std::str::FromStr<Err: std::fmt::Debug>>(ranges: &str) -> Vec<(T, T)> {
    let ranges = ranges.split(',').filter(|range| !range.is_empty());
    ranges.map(|range| range.split_once('-').expect("first-last")).map(|(a, b)| (parse(a), parse(b))).collect()
}

fn qos(words: &mut Words<'_>) -> QosPolicy {
    QosPolicy {
        name: words.name(),
        min_mbps: words.number("min").unwrap_or(0) as u32,
        max_mbps: words.number("max").unwrap_or(0) as u32,
        burst_kib: words.number("burst").unwrap_or(0) as u32,
        priority: words.number("priority").unwrap_or(0) as u8,
    }
}

fn template(words: &mut Words<'_>) -> Template {
    let name = words.name();
    let mode = if words.flag("updating") { TemplateMode::Updating } else { TemplateMode::Initial };
    words.flag("initial");
    let mut template = Template { name, mode, vnics: BTreeMap::new(), vhbas: BTreeMap::new() };
    for (adapter, text) in words.pairs() {
        match adapter.split_once(':').expect("vnic:name or vhba:name") {
            ("vnic", adapter) => drop(template.vnics.insert(self::name(adapter), vnic_template(text))),
            (_, adapter) => drop(template.vhbas.insert(self::name(adapter), vhba_template(text))),
        }
    }
    template
}

fn profile(words: &mut Words<'_>) -> ProfileSpec {
    let template = words.option("template").map(|template| name(&template));
    let mut spec = ProfileSpec { template, ..ProfileSpec::default() };
    for (adapter, text) in words.pairs() {
        match adapter.split_once(':').expect("vnic:name or vhba:name") {
            ("vnic", adapter) => drop(spec.vnics.insert(name(adapter), vnic(text))),
            (_, adapter) => drop(spec.vhbas.insert(name(adapter), vhba(text))),
        }
    }
    spec
}

fn key(text: &str) -> ResourceKey {
    use ResourceKind::*;
    let (collection, resource) = text.split_once('/').expect("collection/name");
    let kinds = [Director, Server, Lan, San, Pool, QosPolicy, Template, Profile, Failover];
    let kind = kinds.into_iter().find(|kind| kind.collection() == collection).expect("a collection");
    ResourceKey { kind, name: name(resource) }
}
