//! The rails need no IPv4: directors and servers with IPv6 addresses carry the same traffic and survive the same losses.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::attempts::timed;
use twinrail_chaos_tests::lab::config::API_PORT;
use twinrail_chaos_tests::lab::layout::RailFamily;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually, longest_gap_ms};
use twinrail_proto::domain::Rail;

/// As over IPv4, in ms: a director is lost, a rail is lost.
const LONGEST_GAP: u64 = 500;
const LONGEST_GAP_OF_A_RAIL: u64 = 100;
const SEEN_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn traffic_over_ipv6_rails_survives_a_director_and_a_rail() -> Result<()> {
    timed(traffic_over_ipv6_rails_survives_a_director_and_a_rail_once)
}

fn traffic_over_ipv6_rails_survives_a_director_and_a_rail_once() -> Result<()> {
    let _turn = remnants::turn()?;
    let mut layout = Layout { rail_family: RailFamily::V6, ..Layout::default() };
    layout.director_extra = "[listen]\napi = \"[::]:7400\"\n".parse().context("no TOML")?;
    Scenario::watched(layout, &["s1", "s2"])?.check(|scenario| {
        let kind = scenario.lab.machine("d1")?.kind;
        let address = scenario.lab.layout.rail_address(kind, Rail::A).context("d1 is not on rail A")?;
        let from_afar = scenario.lab.cli("s3")?.with_endpoint(&format!("http://[{address}]:{API_PORT}"));
        ensure!(from_afar.cluster()?.directors.len() == 3, "the API does not answer on {address}");

        let lost = scenario.homes()?.first().context("nothing is watched")?.clone();
        let windows = scenario.lose_director(&lost)?;
        println!("{lost} lost: {windows:?}");
        ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
        scenario.return_director(&lost)?;
        wait_for_both_rails(scenario)?;

        let homes = scenario.homes()?;
        let at = scenario.lab.cut_rail(Rail::A)?;
        std::thread::sleep(AFTERMATH);
        let windows = scenario.windows(at)?;
        println!("rail A cut: {windows:?}");
        ensure!(
            longest_gap_ms(&windows) <= LONGEST_GAP_OF_A_RAIL,
            "a gap over {LONGEST_GAP_OF_A_RAIL} ms: {windows:?}"
        );
        ensure!(scenario.homes()? == homes, "a rail was cut, and homes moved");
        scenario.lab.restore_rail(Rail::A)?;
        wait_for_both_rails(scenario)?;
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}

/// Every path that a director knows of is up.
fn wait_for_both_rails(scenario: &Scenario) -> Result<()> {
    let cli = scenario.lab.cli("d1")?;
    eventually(SEEN_WITHIN, "all paths up", || {
        let paths = cli.json("cluster paths")?;
        let paths = paths.as_array().context("no list of paths")?;
        Ok((paths.len() >= 12 && paths.iter().all(|path| path["up"] == true)).then_some(()))
    })
}
