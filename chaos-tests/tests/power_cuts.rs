//! Twenty power cuts of a home director, leader and follower in turn: the gaps, the connections, the MACs, the homes, the epochs.

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, longest_gap_ms};
use twinrail_chaos_tests::lab::setting::{promised, setting};

const CUTS: usize = 20;
/// On an emulated machine, where each takes so much longer.
const CUTS_EMULATED: usize = 2;
/// What is promised of the longest gap of each cut, in ms. The 99th percentile of twenty is the largest.
const MEDIAN: u64 = 300;
const P99: u64 = 500;

#[test]
fn servers_keep_their_traffic_through_twenty_power_cuts() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        let before = scenario.cli()?.vnics()?;
        let cuts = if setting().emulated { CUTS_EMULATED } else { CUTS };
        let mut gaps = (0..cuts).map(|number| cut(scenario, number % 2 == 0)).collect::<Result<Vec<u64>>>()?;
        gaps.sort_unstable();
        println!("longest gap of each of {cuts} power cuts, ms: {gaps:?}");
        promised(gaps[gaps.len() / 2] <= MEDIAN, || format!("the median gap is over {MEDIAN} ms: {gaps:?}"))?;
        promised(gaps[gaps.len() - 1] <= P99, || format!("the longest gap is over {P99} ms: {gaps:?}"))?;

        let after = scenario.cli()?.vnics()?;
        for (before, after) in before.iter().zip(&after) {
            ensure!(before.mac == after.mac, "{} had MAC {} and has {}", before.name, before.mac, after.mac);
            ensure!(after.epoch()? >= before.epoch()?, "the epoch of {} went back", after.name);
        }
        for seen in scenario.finish()? {
            let (name, transfer) = (seen.card.short_name(), &seen.transfer);
            ensure!(transfer.lived, "{name}'s TCP connection died: {transfer:?}");
            let mac = scenario.lab.mac_of(&seen.card.server, seen.card.vnic.device())?;
            ensure!(mac == seen.card.vnic.mac, "{name}'s device has MAC {mac} now");
        }
        let flights = scenario.lab.check_flights()?;
        println!("{} frames recorded, {} successions of epochs", flights.frames, flights.successions);
        ensure!(flights.successions >= cuts as u64, "too few changes of homes were recorded: {flights:?}");
        Ok(())
    })
}

/// Cuts the power of a director that is a home: the leader, or one that is not. Gives the longest gap of its vNICs.
fn cut(scenario: &mut Scenario, leader: bool) -> Result<u64> {
    let cli = scenario.cli()?;
    let cluster = cli.cluster()?;
    let homes = scenario.homes()?;
    let fits = |home: &&String| (home.as_str() == cluster.leader()) == leader;
    // Sticky homes: after some cuts nobody, or everybody, may live with the leader.
    let lost = homes.iter().find(fits).or(homes.first()).context("nothing is watched")?.clone();
    let windows = scenario.lose_director(&lost)?;
    let vnics = scenario.cli()?.wait_for_homes(std::time::Duration::from_secs(5))?;
    ensure!(vnics.iter().all(|vnic| vnic.home() != lost), "a vNIC still has its home on {lost}: {vnics:?}");
    scenario.return_director(&lost)?;
    Ok(longest_gap_ms(windows.iter().zip(&homes).filter(|(_, home)| **home == lost).map(|(window, _)| window)))
}
