//! A director that is cut off from the others, but not from the servers and the LAN: it stops carrying when its lease ends, says
//! so in its health, and nothing of an older epoch passes. One that hangs and wakes up does not act on what it knew.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually, longest_gap_ms};
use twinrail_chaos_tests::lab::{Lab, Layout};
use twinrail_chaos_tests::measure::clock;

/// The lease (1.5 s), and the time in which its end is seen and told.
const LEASE_ENDS_WITHIN: Duration = Duration::from_millis(2_500);
const CARRYING: &str = "twinrail.carrying";
/// As for a power cut, in ms.
const LONGEST_GAP: u64 = 500;

#[test]
fn it_stops_when_its_lease_ends_and_says_so() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        let cut_off = scenario.homes()?.first().context("nothing is watched")?.clone();
        let names = scenario.lab.layout.director_names();
        let others: Vec<&str> = names.iter().filter(|name| **name != cut_off).map(String::as_str).collect();
        ensure!(health(&scenario.lab, &cut_off)? == ServingStatus::Serving, "{cut_off} is not well to begin with");

        scenario.lab.partition(&[&cut_off], &others)?;
        eventually(LEASE_ENDS_WITHIN, "the health of a director without a lease", || {
            Ok((health(&scenario.lab, &cut_off)? == ServingStatus::NotServing).then_some(()))
        })?;
        scenario.wait_for_answers()?;
        let cli = scenario.lab.cli(others[0])?;
        eventually(Duration::from_secs(5), "other homes", || {
            Ok(cli.vnics()?.iter().all(|vnic| others.contains(&vnic.home())).then_some(()))
        })?;
        scenario.lab.check_flights()?;

        scenario.lab.heal()?;
        eventually(Duration::from_secs(5), "the health of a director that is back", || {
            Ok((health(&scenario.lab, &cut_off)? == ServingStatus::Serving).then_some(()))
        })?;
        std::thread::sleep(AFTERMATH);
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}

#[test]
fn one_that_hangs_and_wakes_up_sends_nothing_old() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        for _ in 0..3 {
            let homes = scenario.homes()?;
            let hangs = homes.first().context("nothing is watched")?.clone();
            let at = clock::now();
            scenario.lab.pause(&hangs)?;
            scenario.wait_for_answers()?;
            std::thread::sleep(Duration::from_secs(2));
            scenario.lab.resume(&hangs)?;
            std::thread::sleep(2 * AFTERMATH);
            let windows = scenario.windows(at)?;
            println!("{hangs} hung: {windows:?}");
            ensure!(longest_gap_ms(&windows) <= LONGEST_GAP, "a gap over {LONGEST_GAP} ms: {windows:?}");
            scenario.lab.check_flights()?;
        }
        Ok(())
    })
}

fn health(lab: &Lab, director: &str) -> Result<ServingStatus> {
    lab.api(director)?.run(async |channel| {
        let request = HealthCheckRequest { service: CARRYING.to_owned() };
        let answer = HealthClient::new(channel).check(request).await.context("grpc.health.v1 does not answer")?;
        Ok(answer.into_inner().status())
    })
}
