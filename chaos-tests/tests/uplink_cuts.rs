//! A home director whose port on a LAN goes: its vNICs of that LAN move to directors whose ports work, nothing comes back by
//! itself, and everybody is told why.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::Segment;
use twinrail_chaos_tests::lab::attempts::timed;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually, longest_gap_ms};
use twinrail_chaos_tests::measure::clock;

/// As for a power cut, in ms.
const LONGEST_GAP: u64 = 500;
const DONE_WITHIN: Duration = Duration::from_secs(5);
/// `failover::uplinks::UP_AFTER`, and the time in which it is told.
const UP_WITHIN: Duration = Duration::from_secs(6);

#[test]
fn vnics_leave_a_director_whose_lan_port_is_down() -> Result<()> {
    timed(vnics_leave_a_director_whose_lan_port_is_down_once)
}

fn vnics_leave_a_director_whose_lan_port_is_down_once() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        // Down at the director itself, and unplugged at the switch.
        let home = scenario.homes()?.first().context("nothing is watched")?.clone();
        let namespace = scenario.lab.namespace(&home)?.clone();
        goes_and_returns(
            scenario,
            &home,
            "down",
            |_| namespace.ip("link set lan0 down\n"),
            |_| namespace.ip("link set lan0 up\n"),
        )?;
        let home = scenario.homes()?.first().context("nothing is watched")?.clone();
        goes_and_returns(
            scenario,
            &home,
            "no carrier",
            |scenario| scenario.lab.cut_cable(&home, Segment::Lan).map(drop),
            |scenario| scenario.lab.restore_cable(&home, Segment::Lan),
        )?;
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}

/// One director is drained, another's port was bad a moment ago, and the home dies: the port is used before it is relied upon.
#[test]
fn a_port_that_only_just_came_back_is_better_than_none() -> Result<()> {
    timed(a_port_that_only_just_came_back_is_better_than_none_once)
}

fn a_port_that_only_just_came_back_is_better_than_none_once() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2"])?.check(|scenario| {
        let [drained, flapping, home] = ["d1", "d2", "d3"];
        scenario.cli()?.run(&format!("director drain {drained}"))?;
        scenario.lab.cut_cable(flapping, Segment::Lan)?;
        eventually(DONE_WITHIN, "one home", || Ok(scenario.homes()?.iter().all(|it| it == home).then_some(())))?;
        scenario.lab.restore_cable(flapping, Segment::Lan)?;
        eventually(DONE_WITHIN, "a port that settles", || {
            Ok((uplink(scenario, flapping)? == "SETTLING").then_some(()))
        })?;
        let windows = scenario.lose_director(home)?;
        println!("the last port but one that settles: {windows:?}");
        ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
        ensure!(scenario.homes()?.iter().all(|it| it == flapping), "homes are {:?}", scenario.homes()?);
        scenario.lab.check_flights().map(drop)
    })
}

fn goes_and_returns(
    scenario: &mut Scenario,
    home: &str,
    why: &str,
    cut: impl Fn(&Scenario) -> Result<()>,
    restore: impl Fn(&Scenario) -> Result<()>,
) -> Result<()> {
    ensure!(uplink(scenario, home)? == "UP", "{home}'s uplink does not work to begin with");
    let at = clock::now();
    cut(scenario)?;
    eventually(DONE_WITHIN, "other homes", || Ok(scenario.homes()?.iter().all(|it| it != home).then_some(())))?;
    scenario.wait_for_answers()?;
    std::thread::sleep(AFTERMATH);
    let windows = scenario.windows(at)?;
    println!("{home}'s LAN port {why}: longest gap {} ms: {windows:?}", longest_gap_ms(&windows));
    ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
    ensure!(uplink(scenario, home)? == why.to_uppercase().replace(' ', "_"), "{}", uplink(scenario, home)?);
    let shown = scenario.cli()?.run(&format!("director show {home}"))?;
    ensure!(shown.contains(&why.to_uppercase()), "`director show` does not say why: {shown}");
    let receipts = scenario.cli()?.run("failover list --limit 1")?;
    ensure!(receipts.contains(&format!("uplink lost: {home} to prod")), "the receipt does not say why: {receipts}");
    let audit = scenario.cli()?.run("cluster audit")?;
    ensure!(audit.contains("uplink lost"), "the audit trail does not say why: {audit}");

    let homes = scenario.homes()?;
    restore(scenario)?;
    eventually(UP_WITHIN, "an uplink that works again", || Ok((uplink(scenario, home)? == "UP").then_some(())))?;
    std::thread::sleep(2 * AFTERMATH);
    ensure!(scenario.homes()? == homes, "homes went back by themselves");
    Ok(())
}

/// The state of the director's uplink to the LAN, as `cluster show` has it, without its prefix. Every director is asked: all
/// must know.
fn uplink(scenario: &Scenario, director: &str) -> Result<String> {
    let mut said = Vec::new();
    for asked in scenario.lab.layout.director_names() {
        let cluster = scenario.lab.cli(&asked)?.json("cluster show")?;
        let directors = cluster["directors"].as_array().context("`cluster show` has no directors")?;
        let found = directors.iter().find(|it| it["director"] == format!("directors/{director}"));
        let state = found.and_then(|it| it["uplinks"][0]["state"].as_str()).context("no uplink is shown")?;
        said.push(state.trim_start_matches("UPLINK_STATE_").to_owned());
    }
    said.dedup();
    Ok(said.join(" and "))
}
