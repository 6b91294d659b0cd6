//! Directors of other roles: a witness votes and never carries; a hot spare carries only when no active director can.

use std::time::Duration;

use anyhow::{Result, ensure};
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually, longest_gap_ms};
use twinrail_proto::domain::DirectorRole::{Active, Spare, Witness};

/// As for every power cut, in ms.
const LONGEST_GAP: u64 = 500;
const DONE_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn two_actives_and_a_witness() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout::of(&[("d1", Active), ("d2", Active), ("d3", Witness)], 2);
    Scenario::watched(layout, &["s1", "s2"])?.check(|scenario| {
        ensure!(scenario.homes()?.iter().all(|home| home != "d3"), "the witness carries");
        for (lost, other) in [("d1", "d2"), ("d2", "d1")] {
            let windows = scenario.lose_director(lost)?;
            println!("{lost} lost: {windows:?}");
            ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
            let homes = scenario.homes()?;
            ensure!(homes.iter().all(|home| home == other), "not everything is on {other}: {homes:?}");
            scenario.return_director(lost)?;
        }
        scenario.lab.check_flights().map(drop)
    })
}

#[test]
fn two_actives_and_a_hot_spare() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout::of(&[("d1", Active), ("d2", Active), ("d3", Spare)], 2);
    Scenario::watched(layout, &["s1", "s2"])?.check(|scenario| {
        let homes = scenario.homes()?;
        ensure!(homes.iter().all(|home| home != "d3"), "the spare carries though nothing was lost: {homes:?}");
        scenario.cli()?.run("director drain d1")?;
        eventually(DONE_WITHIN, "everything on d2", || {
            Ok(scenario.homes()?.iter().all(|home| home == "d2").then_some(()))
        })?;

        let windows = scenario.lose_director("d2")?;
        println!("the last active lost: {windows:?}");
        let homes = scenario.homes()?;
        ensure!(homes.iter().all(|home| home == "d3"), "the spare has not stepped in: {homes:?}");
        ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
        scenario.return_director("d2")?;
        ensure!(scenario.homes()? == homes, "homes went back by themselves");
        scenario.lab.check_flights().map(drop)
    })
}
