//! What a program sees of a vNIC: an address by DHCP, answers to pings, TCP in both directions.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::card::Card;
use twinrail_chaos_tests::lab::layout::LAN_HOST;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Lab, Layout, remnants, shell};

/// What iperf3 must get through in a second or two, in octets.
const SOME: u64 = 100_000;

#[test]
fn dhcp_ping_and_iperf3_go_through_vnics() -> Result<()> {
    let _turn = remnants::turn()?;
    // Each card has its address by DHCP when it is deployed.
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        for card in &cards {
            ping(&scenario.lab, card)?;
            iperf(&scenario.lab, card, &[])?;
            iperf(&scenario.lab, card, &["--reverse"])?;
        }
        scenario.lab.check_flights().map(drop)
    })
}

fn ping(lab: &Lab, card: &Card) -> Result<()> {
    let (source, host) = (card.address.to_string(), LAN_HOST.to_string());
    run(lab, card, "ping", &["-I", &source, "-c", "5", "-i", "0.2", "-W", "5", &host]).map(drop)
}

fn iperf(lab: &Lab, card: &Card, more: &[&str]) -> Result<()> {
    let (source, host) = (card.address.to_string(), LAN_HOST.to_string());
    let arguments = [&["-c", &host, "-B", &source, "-t", "2", "-J"], more].concat();
    let report: serde_json::Value = serde_json::from_str(&run(lab, card, "iperf3", &arguments)?)?;
    let octets = report["end"]["sum_received"]["bytes"].as_u64().context("iperf3 gave no result")?;
    println!("{} {more:?}: {octets} octets in 2 s", card.short_name());
    ensure!(octets > SOME, "{octets} octets only arrived through {}", card.short_name());
    Ok(())
}

fn run(lab: &Lab, card: &Card, program: &str, arguments: &[&str]) -> Result<String> {
    shell::run(&mut lab.namespace(&card.server)?.command(Path::new(program), arguments))
}
