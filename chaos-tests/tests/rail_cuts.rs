//! A rail, or one machine's cable to it, is cut and restored: nobody waits longer than 50 ms, no home changes. When both are cut
//! nobody is carried, and afterwards everybody is again where he was.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::attempts::timed;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually, longest_gap_ms};
use twinrail_chaos_tests::lab::setting::promised;
use twinrail_chaos_tests::lab::{Lab, Layout, Segment};
use twinrail_chaos_tests::measure::clock;
use twinrail_proto::domain::Rail;

/// What is promised, in ms.
const LONGEST_GAP: u64 = 50;
const CUT_FOR: Duration = Duration::from_secs(1);
const HEALS_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_rail_may_go_and_come_back() -> Result<()> {
    timed(a_rail_may_go_and_come_back_once)
}

fn a_rail_may_go_and_come_back_once() -> Result<()> {
    each_rail(Layout::default(), |lab, rail| lab.cut_rail(rail).map(drop), Lab::restore_rail)
}

#[test]
fn a_rail_may_go_where_packets_are_of_ordinary_size() -> Result<()> {
    timed(a_rail_may_go_where_packets_are_of_ordinary_size_once)
}

fn a_rail_may_go_where_packets_are_of_ordinary_size_once() -> Result<()> {
    let layout = Layout { rail_mtu: 9_000, ..Layout::default() };
    each_rail(layout, |lab, rail| lab.cut_rail(rail).map(drop), Lab::restore_rail)
}

#[test]
fn one_cable_of_a_server_may_go() -> Result<()> {
    timed(one_cable_of_a_server_may_go_once)
}

fn one_cable_of_a_server_may_go_once() -> Result<()> {
    let cut = |lab: &Lab, rail| lab.cut_cable("s1", Segment::Rail(rail)).map(drop);
    each_rail(Layout::default(), cut, |lab, rail| lab.restore_cable("s1", Segment::Rail(rail)))
}

#[test]
fn one_cable_of_a_director_may_go() -> Result<()> {
    timed(one_cable_of_a_director_may_go_once)
}

fn one_cable_of_a_director_may_go_once() -> Result<()> {
    let cut = |lab: &Lab, rail| lab.cut_cable("d1", Segment::Rail(rail)).map(drop);
    each_rail(Layout::default(), cut, |lab, rail| lab.restore_cable("d1", Segment::Rail(rail)))
}

#[test]
fn both_cables_of_a_director_may_go() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2"])?.check(|scenario| {
        let lost = scenario.homes()?.first().context("nothing is watched")?.clone();
        let names = scenario.lab.layout.director_names();
        let other = names.iter().find(|it| **it != lost).context("one director only")?;
        for rail in Rail::ALL {
            scenario.lab.cut_cable(&lost, Segment::Rail(rail))?;
        }
        let cli = scenario.lab.cli(other)?;
        eventually(HEALS_WITHIN, "other homes", || {
            Ok(cli.vnics()?.iter().all(|vnic| vnic.home() != lost).then_some(()))
        })?;
        scenario.wait_for_answers()?;
        scenario.lab.reconnect(&lost)?;
        cli.wait_for_cluster(HEALS_WITHIN, |cluster| names.iter().all(|name| cluster.is_alive(name)))?;
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}

#[test]
fn after_the_loss_of_both_rails_homes_are_spread_as_before() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        let homes = scenario.homes()?;
        for _ in 0..3 {
            Rail::ALL.into_iter().try_for_each(|rail| scenario.lab.cut_rail(rail).map(drop))?;
            // Longer than a lease: all directors have lost each other, and nobody carries.
            std::thread::sleep(3 * CUT_FOR);
            Rail::ALL.into_iter().try_for_each(|rail| scenario.lab.restore_rail(rail))?;
            scenario.wait_for_answers()?;
            std::thread::sleep(3 * CUT_FOR);
            let after = scenario.homes()?;
            println!("homes before {homes:?}, after {after:?}");
            ensure!(after == homes, "after an outage of both rails homes were {after:?}, before it {homes:?}");
        }
        scenario.lab.check_flights().map(drop)
    })
}

fn each_rail(
    layout: Layout,
    cut: impl Fn(&Lab, Rail) -> Result<()>,
    restore: impl Fn(&Lab, Rail) -> Result<()>,
) -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(layout, &["s1", "s2"])?.check(|scenario| {
        let homes = scenario.homes()?;
        for rail in Rail::ALL {
            let at = clock::now();
            cut(&scenario.lab, rail)?;
            std::thread::sleep(CUT_FOR);
            restore(&scenario.lab, rail)?;
            std::thread::sleep(AFTERMATH);
            let windows = scenario.windows(at)?;
            println!("rail {rail}: {windows:?}");
            promised(longest_gap_ms(&windows) <= LONGEST_GAP, || {
                format!("rail {rail}: a gap over {LONGEST_GAP} ms: {windows:?}")
            })?;
            ensure!(scenario.homes()? == homes, "rail {rail}: a home changed");
        }
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}
