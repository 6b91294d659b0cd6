//! Bad input is refused with an error that names what is wrong; the state does not change, and nobody dies of it.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Cli, Lab, Layout, Process};
use twinrail_proto::domain::Rail;

const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// gRPC, metrics, the directors' own service.
const TCP_PORTS: [u16; 3] = [7_400, 7_401, 7_402];
const RAIL_PORT: u16 = 7_403;
/// Pieces of garbage for each port.
const PIECES: u64 = 40;

/// A command line that must be refused, and words of which one must be in the error.
const REFUSED: [(&str, &[&str]); 21] = [
    ("profile create x --vnic eth0,lan=prod,mac={mac}", &["mac"]),
    ("profile create x --vnic eth0,lan=prod,mac=03:00:00:00:00:01", &["multicast", "mac"]),
    ("profile create x --vnic eth0,lan=prod,mac=00:00:00:00:00:00", &["mac"]),
    ("profile create x --vnic eth0,lan=prod,mac=nonsense", &["mac"]),
    ("profile create x --vnic eth0,lan=prod,mac-pool=macs,vlan=0", &["vlan"]),
    ("profile create x --vnic eth0,lan=prod,mac-pool=macs,vlan=4095", &["vlan"]),
    ("profile create x --vnic eth0,lan=prod,mac-pool=macs,mtu=10", &["mtu"]),
    ("profile create x --vnic eth0,lan=prod,mac-pool=macs,mtu=70000", &["mtu"]),
    ("profile create x --vnic eth0,lan=nowhere,mac-pool=macs", &["nowhere", "lan"]),
    ("profile create x --vnic eth0,lan=prod,mac-pool=nowhere", &["nowhere", "pool"]),
    ("profile create x --vnic a-name-that-no-device-has,lan=prod,mac-pool=macs", &["name", "15"]),
    ("template create x --vnic eth0,lan=prod,mac-pool=macs,qos=gold", &["gold", "qos"]),
    ("profile create web-1", &["web-1", "exists"]),
    ("profile create Web_1", &["Web_1", "name"]),
    ("profile create web-1;reboot", &["name"]),
    ("profile deploy web-1 --server s2", &["s1", "bound"]),
    ("profile move web-1 --server s9", &["s9"]),
    ("profile move web-1 --server s3", &["full", "adapters"]),
    ("profile undeploy web-1 --if-match 1", &["changed", "read it again"]),
    ("pool create more --mac-range 02:54:57:00:10:00-02:54:57:00:20:00", &["macs", "overlap"]),
    ("director add d9 --id 1 --rail-a 10.71.1.9 --rail-b 10.72.1.9 --api 10.71.1.9:7400", &["id"]),
];

#[test]
fn bad_calls_are_refused_and_change_nothing() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let cli = scenario.cli()?;
        cli.run("server update s3 --max-adapters 1")?;
        let before = state(&cli)?;
        for (line, words) in REFUSED {
            let line = line.replace("{mac}", &cards[0].vnic.mac);
            let Err(error) = cli.run(&line) else { bail!("`{line}` was accepted") };
            let text = format!("{error:#}").to_lowercase();
            let answer = text.split_once("): ").map_or(text.as_str(), |(_, answer)| answer);
            let named = words.iter().any(|word| answer.contains(&word.to_lowercase()));
            ensure!(named, "the error of `{line}` names none of {words:?}: {answer}");
            ensure!(!answer.contains("panic"), "`{line}`: {answer}");
        }
        ensure!(state(&cli)? == before, "a refused call changed the state");
        let Err(error) = cli.run("profile show web1") else { bail!("a profile web1 was shown") };
        ensure!(format!("{error:#}").contains("web-1"), "no hint at web-1: {error:#}");
        Ok(())
    })
}

#[test]
fn garbage_on_every_port_is_survived() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1"])?.check(|scenario| {
        let cli = scenario.cli()?;
        let before = state(&cli)?;
        for director in scenario.lab.layout.director_names() {
            let address = scenario.lab.machine(&director)?.kind.rail_address(Rail::A).context("not on rail A")?;
            scenario.lab.namespace("s2")?.run(|| throw_garbage(address))?;
        }
        for server in scenario.lab.layout.servers.clone() {
            let address = scenario.lab.machine(&server)?.kind.rail_address(Rail::A).context("not on rail A")?;
            scenario.lab.namespace("s2")?.run(|| throw_datagrams(address))?;
        }
        scenario.wait_for_answers()?;
        ensure!(state(&cli)? == before, "garbage changed the state");
        everybody_lives(scenario)
    })
}

#[test]
fn a_configuration_with_a_mistake_is_refused_by_name() -> Result<()> {
    let _turn = remnants::turn()?;
    let mut lab = Lab::build(Layout::default())?;
    lab.start_cluster()?;
    Scenario::new(lab).check(|scenario| {
        let good = std::fs::read_to_string(scenario.lab.run_dir().join("d1.toml"))?;
        for (what, bad, word) in [
            ("a key with a typo", good.replacen("data_dir", "data_dri", 1), "data_dri"),
            ("two directors with one id", good.replace("id = 2", "id = 1"), "id"),
            ("a name that is not listed", good.replacen("\"d1\"", "\"d8\"", 1), "d8"),
            ("a role that there is not", good.replacen("\"active\"", "\"boss\"", 1), "boss"),
            ("an address that is none", good.replacen("\"10.71.1.1\"", "\"10.71.1.300\"", 1), "10.71.1.300"),
            ("no TOML at all", "hello".to_owned(), "hello"),
        ] {
            let text = refused(&scenario.lab, "s4", &bad).with_context(|| what.to_owned())?;
            ensure!(text.contains(word), "{what}: the error does not say {word}: {text}");
        }
        everybody_lives(scenario)
    })
}

fn start(lab: &Lab, machine: &str, configuration: &str) -> Result<Process> {
    let path = lab.run_dir().join("bad.toml");
    std::fs::write(&path, configuration)?;
    std::fs::write(lab.run_dir().join("bad.log"), "")?;
    let path = path.to_str().context("the run folder's path is not UTF-8")?;
    lab.spawn(machine, "bad", lab.programs.twinrail()?, &["director", "--config", path])
}

/// Starts a director with this configuration; it must end with an error, which is given.
fn refused(lab: &Lab, machine: &str, configuration: &str) -> Result<String> {
    let mut process = start(lab, machine, configuration)?;
    let status = process.wait(ENDS_WITHIN)?;
    ensure!(!status.success(), "it was accepted");
    let text = std::fs::read_to_string(process.log())?;
    ensure!(!text.contains("panicked"), "it panicked: {text}");
    Ok(text)
}

fn throw_garbage(address: Ipv4Addr) -> Result<()> {
    for port in TCP_PORTS {
        for seed in 0..PIECES {
            let mut stream =
                TcpStream::connect((address, port)).with_context(|| format!("{address}:{port} is deaf"))?;
            // It may hang up in the middle: that is an answer too.
            stream.write_all(&garbage(seed + u64::from(port))).ok();
        }
    }
    throw_datagrams(address)
}

fn throw_datagrams(address: Ipv4Addr) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for seed in 0..PIECES {
        socket.send_to(&garbage(seed), (address, RAIL_PORT))?;
    }
    Ok(())
}

/// Bytes of a seed, 1 to 1024 of them (xorshift).
fn garbage(seed: u64) -> Vec<u8> {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word
    };
    let length = next() % 1_024 + 1;
    (0..length).map(|_| next().to_le_bytes()[3]).collect()
}

fn state(cli: &Cli) -> Result<String> {
    let cluster = cli.json("cluster show --state-hash")?;
    let hash = cluster["stateHash"].as_str().context("no hash of the state")?;
    Ok(hash.to_owned())
}

fn everybody_lives(scenario: &mut Scenario) -> Result<()> {
    let names = scenario.lab.layout.machines().into_iter().map(|(name, _)| name);
    for name in names.collect::<Vec<_>>() {
        ensure!(scenario.lab.is_running(&name)?, "{name} has died; see {}", log(&scenario.lab, &name));
    }
    Ok(())
}

fn log(lab: &Lab, name: &str) -> String {
    Path::new(lab.run_dir()).join(format!("{name}.log")).display().to_string()
}
