//! VLANs and isolation, seen on the LAN's wire by tcpdump: an access vNIC is tagged there, a server cannot send as somebody else,
//! and vNICs of one LAN reach each other through their directors, IPv6 included.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::layout::{LAN_HOST_NAME, LAN_HOST_V6};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually};
use twinrail_chaos_tests::lab::{Lab, Layout, Process, shell};

const SEEN_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn an_access_vlan_is_tagged_on_the_wire_and_apart_from_the_rest() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let cli = scenario.cli()?;
        for (profile, server) in [("blue-1", "s2"), ("blue-2", "s3")] {
            cli.run(&format!("profile create {profile} --vnic blue0,lan=prod,mac-pool=macs,vlan=10"))?;
            cli.run(&format!("profile deploy {profile} --server {server}"))?;
            scenario.lab.wait_for_device(server, "blue0")?;
        }
        address(&scenario.lab, "s2", "10.80.0.2")?;
        address(&scenario.lab, "s3", "10.80.0.3")?;
        let wire = Wire::tap(&scenario.lab, "vlan 10 and arp")?;
        ping(&scenario.lab, "s2", "10.80.0.3").context("two vNICs of VLAN 10")?;
        let mac = scenario.lab.mac_of("s2", "blue0")?;
        wire.sees(&mac)?;
        // The same network in another VLAN is another network.
        scenario.lab.namespace("s1")?.script("ip addr add 10.80.0.1/24 dev eth0")?;
        ensure!(ping(&scenario.lab, "s1", "10.80.0.3").is_err(), "VLAN 10 is reached from the native VLAN");
        Ok(())
    })
}

#[test]
fn a_server_sends_only_as_its_own_cards() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1", "s2"])?;
    scenario.check(|scenario| {
        let stolen = &cards[2].vnic.mac;
        let wire = Wire::tap(&scenario.lab, &format!("ether src {stolen} and arp"))?;
        let drops = dropped(scenario)?;
        let namespace = scenario.lab.namespace("s1")?;
        namespace.script(&format!("ip link set eth0 down; ip link set eth0 address {stolen}; ip link set eth0 up"))?;
        namespace.script("ip addr replace 10.70.0.240/24 dev eth0; ping -c 3 -i 0.2 -w 2 -I eth0 10.70.0.1 || :")?;
        ensure!(dropped(scenario)? > drops, "frames with a stolen MAC were not counted as dropped");
        let seen = wire.text()?;
        ensure!(!seen.contains("10.70.0.240"), "a frame with a stolen MAC reached the LAN: {seen}");
        Ok(())
    })
}

#[test]
fn neighbours_reach_each_other_and_get_ipv6_addresses() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1", "s2"])?;
    scenario.check(|scenario| {
        for (server, other) in [("s1", &cards[2]), ("s2", &cards[0])] {
            ping(&scenario.lab, server, &other.address.to_string())?;
        }
        let namespace = scenario.lab.namespace("s1")?;
        eventually(SEEN_WITHIN, "an address by router advertisement", || {
            let addresses = namespace.script("ip -6 addr show dev eth0 scope global -tentative")?;
            Ok(addresses.contains("fd70:").then_some(()))
        })?;
        shell::run(&mut namespace.command(Path::new("ping"), &["-c", "2", "-w", "5", LAN_HOST_V6])).map(drop)
    })
}

/// tcpdump on the LAN host's port.
struct Wire {
    tcpdump: Process,
}

impl Wire {
    fn tap(lab: &Lab, filter: &str) -> Result<Self> {
        let arguments = ["-i", "lan0", "-e", "-n", "-l", "--immediate-mode", filter];
        let tcpdump = lab.spawn(LAN_HOST_NAME, "tcpdump", Path::new("tcpdump"), &arguments)?;
        let wire = Self { tcpdump };
        eventually(SEEN_WITHIN, "tcpdump listens", || Ok(wire.text()?.contains("listening on").then_some(())))?;
        Ok(wire)
    }

    fn text(&self) -> Result<String> {
        std::fs::read_to_string(self.tcpdump.log()).context("could not read what tcpdump saw")
    }

    fn sees(&self, what: &str) -> Result<()> {
        eventually(SEEN_WITHIN, &format!("{what} on the wire"), || Ok(self.text()?.contains(what).then_some(())))
    }
}

fn address(lab: &Lab, server: &str, address: &str) -> Result<()> {
    lab.namespace(server)?.script(&format!("ip addr add {address}/24 dev blue0")).map(drop)
}

fn ping(lab: &Lab, server: &str, target: &str) -> Result<()> {
    let arguments = ["-c", "1", "-i", "0.1", "-w", "2", target];
    shell::run(&mut lab.namespace(server)?.command(Path::new("ping"), &arguments)).map(drop)
}

/// Frames that the directors dropped because the source MAC was not the vNIC's.
fn dropped(scenario: &Scenario) -> Result<u64> {
    let mut sum = 0;
    for director in scenario.lab.layout.director_names() {
        let metrics = scenario.lab.metrics(&director)?;
        let lines = metrics.lines().filter(|line| line.contains("drop") && line.contains("mac"));
        sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}
