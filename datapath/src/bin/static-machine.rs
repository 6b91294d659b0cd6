//! A director's or a server's datapath with a table given by hand: for the tests and measurements of this crate, which
//! need real processes in network namespaces. It grants itself its lease.
//!
//! ```text
//!   static-machine director|server NAME A,B [--recorder FILE] [--missed-hellos N]
//! ```
//!
//! Reads commands from its standard input, a line each, and answers each with one line; ends at the input's end.
//!
//! ```text
//!   peer director|server NAME A,B          lan NAME DEVICE
//!   adapter ID EPOCH MAC LAN VLAN SERVER carry|hold          (director; VLAN: native, access-10, trunk-10-20)
//!   adapter ID EPOCH MAC MTU DEVICE HOME|-                   (server)
//!   remove ID          publish          lease on|off          paths          counters          events
//! ```

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use twinrail_datapath::{
    Carry, Counters, DirectorAdapter, DirectorConfig, DirectorDatapath, DirectorTable, Event, Grant, LanPort,
    PathState, Peer, RailsConfig, ServerAdapter, ServerConfig, ServerDatapath, ServerTable, monotonic_ns,
};
use twinrail_proto::domain::{AdapterId, Epoch, MacAddress, Mtu, Name, RailAddresses, VlanId, VlanMode};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: static-machine director|server NAME A,B [--recorder FILE] [--missed-hellos N]";

/// Events that nobody has asked for yet. A test machine has few of them.
static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

enum Machine {
    Director(Arc<DirectorDatapath>),
    Server(ServerDatapath),
}

/// The table that the commands build up.
#[derive(Default)]
struct Table {
    directors: Vec<Peer>,
    servers: Vec<Peer>,
    lans: Vec<LanPort>,
    carried: BTreeMap<AdapterId, DirectorAdapter>,
    used: BTreeMap<AdapterId, ServerAdapter>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [role, _, addresses, options @ ..] = &words[..] else { return Err(USAGE.into()) };
    let mut rails = RailsConfig::new("static", rail_addresses(addresses)?);
    let mut recorder = None;
    for option in options.chunks(2) {
        match option {
            ["--recorder", file] => recorder = Some(file.into()),
            ["--missed-hellos", number] => rails.missed_hellos = number.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let lease = Arc::new(AtomicBool::new(true));
    let machine = match *role {
        "director" => {
            let datapath = Arc::new(DirectorDatapath::start(DirectorConfig { rails, recorder }, Box::new(note_event))?);
            grant_leases(Arc::downgrade(&datapath), Arc::clone(&lease));
            Machine::Director(datapath)
        }
        "server" => Machine::Server(ServerDatapath::start(ServerConfig { rails, recorder }, Box::new(note_event))?),
        other => return Err(format!("no machine is a {other:?}").into()),
    };
    let mut table = Table::default();
    for line in std::io::stdin().lock().lines() {
        match obey(&machine, &mut table, &lease, &line?) {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("error {error}"),
        }
    }
    Ok(())
}

fn note_event(event: Event) {
    let line = format!("{} {event:?}", monotonic_ns());
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

fn grant_leases(datapath: std::sync::Weak<DirectorDatapath>, on: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        while let Some(datapath) = datapath.upgrade() {
            let asked_at = monotonic_ns();
            if on.load(Ordering::Relaxed) {
                datapath.extend_lease(Grant { asked_at, until: asked_at + 300_000_000 });
            }
            drop(datapath);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

fn obey(machine: &Machine, table: &mut Table, lease: &AtomicBool, line: &str) -> Result<String, Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["peer", "director", name, rails] => table.directors.push(peer(name, rails)?),
        ["peer", "server", name, rails] => table.servers.push(peer(name, rails)?),
        ["lan", lan, device] => table.lans.push(LanPort { lan: Name::new(lan)?, device: device.into() }),
        ["adapter", id, epoch, mac, lan, mode, server, state] => {
            let state = if state == "hold" { Carry::Hold } else { Carry::Carry };
            let (id, epoch, mac) = identity(id, epoch, mac)?;
            let (lan, vlan, server) = (Name::new(lan)?, vlan(mode)?, Name::new(server)?);
            table.carried.insert(id, DirectorAdapter { id, epoch, mac, lan, vlan, server, state });
        }
        ["adapter", id, epoch, mac, mtu, name, home] => {
            let (id, epoch, mac) = identity(id, epoch, mac)?;
            let home = if home == "-" { None } else { Some(Name::new(home)?) };
            let (mtu, name) = (Mtu::new(mtu.parse()?)?, Name::new(name)?);
            table.used.insert(id, ServerAdapter { id, epoch, mac, mtu, name, home, paused: false });
        }
        ["remove", id] => {
            let id = AdapterId(id.parse()?);
            table.carried.remove(&id);
            table.used.remove(&id);
        }
        ["publish"] => return Ok(publish(machine, table)),
        ["lease", state] => lease.store(state == "on", Ordering::Relaxed),
        ["paths"] => return Ok(paths(machine)),
        ["events"] => {
            return Ok(std::mem::take(&mut *EVENTS.lock().unwrap_or_else(PoisonError::into_inner)).join("; "));
        }
        ["counters"] => return Ok(counters(machine)),
        _ => return Err(format!("no such command: {line:?}").into()),
    }
    Ok("ok".into())
}

fn publish(machine: &Machine, table: &Table) -> String {
    let (directors, servers) = (table.directors.clone(), table.servers.clone());
    let report = match machine {
        Machine::Director(datapath) => {
            let adapters = table.carried.values().cloned().collect();
            datapath.publish(DirectorTable { directors, servers, lans: table.lans.clone(), adapters })
        }
        Machine::Server(datapath) => {
            datapath.publish(ServerTable { directors, adapters: table.used.values().cloned().collect() })
        }
    };
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() { "ok".into() } else { format!("problems {}", problems.join("; ")) }
}

fn paths(machine: &Machine) -> String {
    let paths = match machine {
        Machine::Director(datapath) => datapath.paths(),
        Machine::Server(datapath) => datapath.paths(),
    };
    let show = |PathState { peer, rail, up, .. }: &PathState| {
        format!("{}/{rail}={}", peer.name(), if *up { "up" } else { "down" })
    };
    paths.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn counters(machine: &Machine) -> String {
    let Counters { drops, adapters, messages_sent, messages_received, messages_fragmented } = match machine {
        Machine::Director(datapath) => datapath.counters(),
        Machine::Server(datapath) => datapath.counters(),
    };
    let mut words = vec![format!("sent={messages_sent} received={messages_received} fragmented={messages_fragmented}")];
    words.extend(drops.iter().filter(|it| *it.1 > 0).map(|(cause, count)| format!("{}={count}", cause.name())));
    for (id, it) in adapters {
        words.push(format!("{id}:from={} {id}:to={}", it.from_server.frames, it.to_server.frames));
    }
    words.join(" ")
}

fn identity(id: &str, epoch: &str, mac: &str) -> Result<(AdapterId, Epoch, MacAddress), Failure> {
    Ok((AdapterId(id.parse()?), Epoch(epoch.parse()?), mac.parse()?))
}

fn vlan(text: &str) -> Result<VlanMode, Failure> {
    let ids = |text: &str| text.split('-').map(|it| Ok(VlanId::new(it.parse()?)?)).collect::<Result<_, Failure>>();
    match text.split_once('-') {
        None if text == "native" => Ok(VlanMode::Native),
        Some(("access", id)) => Ok(VlanMode::Access(VlanId::new(id.parse()?)?)),
        Some(("trunk", list)) => Ok(VlanMode::Trunk(ids(list)?)),
        _ => Err(format!("no VLAN mode: {text:?}").into()),
    }
}

fn peer(name: &str, rails: &str) -> Result<Peer, Failure> {
    Ok(Peer { name: Name::new(name)?, rails: rail_addresses(rails)? })
}

fn rail_addresses(text: &str) -> Result<RailAddresses, Failure> {
    let (a, b) = text.split_once(',').ok_or("two addresses: A,B")?;
    Ok(RailAddresses { a: a.parse()?, b: b.parse()? })
}
