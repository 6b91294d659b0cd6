//! What an operator plans hardly shows: drain, rebalance, and the move of one vNIC to another director; and a profile's move to
//! another server, seen from the LAN.
//!
//! vNICs that stay where they are, in the same window, tell what the machine itself does to everybody: only what a vNIC that
//! moves sees beyond them is the move's.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::attempts::timed;
use twinrail_chaos_tests::lab::layout::{ECHO_PORT, LAN_HOST, LAN_HOST_NAME};
use twinrail_chaos_tests::lab::probes::Window;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{AFTERMATH, Scenario, eventually};
use twinrail_chaos_tests::lab::{Cli, Layout};
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
        let leader = scenario.cli()?.leader()?;
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
    let before = scenario.homes()?;
    let at = clock::now();
    let cli = scenario.cli()?;
    cli.run(line)?;
    eventually(DONE_WITHIN, line, || Ok(done(&scenario.homes()?, &cli)?.then_some(())))?;
    std::thread::sleep(AFTERMATH);
    let windows = scenario.windows(at)?;
    let stayed: Vec<bool> = before.iter().zip(scenario.homes()?).map(|(before, after)| *before == after).collect();
    println!("{line}: {windows:?}, stayed: {stayed:?}");
    let of = |which: bool| windows.iter().zip(&stayed).filter(move |(_, stayed)| **stayed == which).map(|(it, _)| it);
    let everybody = Window {
        longest_gap: median(of(true).map(|it| it.longest_gap)),
        lost: median(of(true).map(|it| it.lost)),
        own_stall: median(of(true).map(|it| it.own_stall)),
    };
    of(false).try_for_each(|window| within_promise(line, &beyond(window, &everybody)))
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What a vNIC saw that the others did not see.
fn beyond(window: &Window, others: &Window) -> Window {
    Window {
        longest_gap: window.longest_gap.saturating_sub(others.longest_gap),
        lost: window.lost.saturating_sub(others.lost),
        own_stall: window.own_stall.saturating_sub(others.own_stall),
    }
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
        // The application on the old server, and on the new one what answers from the card's first frame on: its kernel would
        // take its time to give the card its address.
        let listen = format!("0.0.0.0:{ECHO_PORT}");
        let _old = lab.spawn("s1", "app-s1", lab.programs.lab(), &["responder", "--listen", &listen])?;
        let (address, port) = (card.address.to_string(), ECHO_PORT.to_string());
        let arguments =
            ["raw-responder", "--device", "eth0", "--mac", &card.vnic.mac, "--address", &address, "--port", &port];
        let _new = lab.spawn("s4", "app-s4", lab.programs.lab(), &arguments)?;
        let target = SocketAddr::from((card.address, ECHO_PORT));
        let mut prober = lab.start_prober(LAN_HOST_NAME, "prober-lan", LAN_HOST, target)?;
        prober.wait_for_answers(DONE_WITHIN)?;

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
        within_promise("profile move", &window)
    })
}
