//! What an operator plans hardly shows: drain, rebalance, and the move of one vNIC to another director; and a profile's move to
//! another server, seen from the LAN.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::attempts::timed;
use twinrail_chaos_tests::lab::layout::{ECHO_PORT, LAN_HOST, LAN_HOST_NAME};
use twinrail_chaos_tests::lab::probes::Window;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually};
use twinrail_chaos_tests::lab::{Cli, Lab, Layout};
use twinrail_chaos_tests::measure::clock;

const LONGEST_GAP: u64 = 50 * clock::MILLISECOND;
const MOST_LOST: u64 = 5;
const DONE_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn drain_rebalance_and_a_single_move_hardly_show() -> Result<()> {
    timed(drain_rebalance_and_a_single_move_hardly_show_once)
}

fn drain_rebalance_and_a_single_move_hardly_show_once() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2", "s3"])?.check(|scenario| {
        let leader = scenario.cli()?.cluster()?.leader().to_owned();
        planned(scenario, &format!("director drain {leader}"), |homes, cli| {
            Ok(!homes.contains(&leader) && cli.cluster()?.leader() != leader)
        })?;
        planned(scenario, &format!("director resume {leader}"), |homes, _| Ok(!homes.contains(&leader)))?;
        planned(scenario, "cluster rebalance", |homes, _| Ok(homes.contains(&leader)))?;
        let home = scenario.homes()?.first().context("nothing is watched")?.clone();
        let other =
            scenario.lab.layout.director_names().into_iter().find(|name| *name != home).context("one director")?;
        let vnic = scenario.watched[0].card.short_name();
        planned(scenario, &format!("vnic move {vnic} --to {other}"), |homes, _| Ok(homes[0] == other))?;
        for seen in scenario.finish()? {
            ensure!(seen.transfer.lived, "{}'s TCP connection died: {:?}", seen.card.short_name(), seen.transfer);
        }
        scenario.lab.check_flights().map(drop)
    })
}

/// Runs the command, waits until it is so, and checks what the traffic saw of it.
fn planned(scenario: &mut Scenario, line: &str, done: impl Fn(&[String], &Cli) -> Result<bool>) -> Result<()> {
    let at = clock::now();
    let cli = scenario.cli()?;
    cli.run(line)?;
    eventually(DONE_WITHIN, line, || Ok(done(&scenario.homes()?, &cli)?.then_some(())))?;
    std::thread::sleep(AFTERMATH);
    let windows = scenario.windows(at)?;
    println!("{line}: {windows:?}");
    windows.iter().try_for_each(|window| within_promise(line, window))
}

fn within_promise(line: &str, window: &Window) -> Result<()> {
    ensure!(window.longest_gap <= LONGEST_GAP, "{line}: a gap over 50 ms: {window:?}");
    ensure!(window.lost <= MOST_LOST, "{line}: more than {MOST_LOST} probes lost: {window:?}");
    Ok(())
}

#[test]
fn a_profile_that_moves_to_another_server_is_hardly_missed_on_the_lan() -> Result<()> {
    timed(a_profile_that_moves_to_another_server_is_hardly_missed_on_the_lan_once)
}

fn a_profile_that_moves_to_another_server_is_hardly_missed_on_the_lan_once() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let card = cards.first().context("no vNIC was deployed")?;
        let lab = &scenario.lab;
        // The application runs on both servers, and takes the address as soon as its card is there.
        let listen = format!("0.0.0.0:{ECHO_PORT}");
        let responder = |server| {
            lab.spawn(server, &format!("app-{server}"), lab.programs.lab(), &["responder", "--listen", &listen])
        };
        let _responders = [responder("s1")?, responder("s4")?];
        let take = format!("until ip addr add {}/24 dev eth0; do :; done", card.address);
        let _taker = lab.spawn("s4", "taker", Path::new("sh"), &["-c", &take])?;
        let target = SocketAddr::from((card.address, ECHO_PORT));
        let mut prober = lab.start_prober(LAN_HOST_NAME, "prober-lan", LAN_HOST, target)?;
        prober.wait_for_answers(DONE_WITHIN)?;

        let dropped_before = dropped(lab)?;
        let at = clock::now();
        scenario.cli()?.run("profile move web-1 --server s4")?;
        prober.wait_for_answers(DONE_WITHIN)?;
        std::thread::sleep(AFTERMATH);
        let window = prober.window(at, clock::now())?;
        println!("profile move: {window:?}");
        let mac = lab.mac_of("s4", "eth0")?;
        ensure!(mac == card.vnic.mac, "s4's card has MAC {mac} instead of {}", card.vnic.mac);
        ensure!(lab.mac_of("s1", "eth0").is_err(), "s1 still has its card");
        lab.check_flights()?;
        // Probes that reach the new server's card before it has its address again are lost there, by its kernel: what the
        // directors lost is what they dropped.
        let dropped = dropped(lab)? - dropped_before;
        println!("profile move: {dropped} frames dropped by directors");
        ensure!(window.longest_gap <= LONGEST_GAP, "profile move: a gap over 50 ms: {window:?}");
        ensure!(dropped <= MOST_LOST, "profile move: the directors dropped {dropped} frames");
        Ok(())
    })
}

/// Frames of adapters that the directors dropped so far, for whatever cause.
fn dropped(lab: &Lab) -> Result<u64> {
    let mut sum = 0;
    for director in lab.layout.director_names() {
        let metrics = lab.metrics(&director)?;
        let rows = metrics.lines().filter(|line| line.starts_with("twinrail_adapter_frames_dropped_total{"));
        for row in rows {
            let count = row.rsplit(' ').next().unwrap_or_default();
            sum += count.parse::<u64>().with_context(|| format!("no count in {row:?}"))?;
        }
    }
    Ok(sum)
}
