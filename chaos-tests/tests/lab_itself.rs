//! The lab keeps its own promises: its network carries, its faults are faults, and nothing of it is left behind,
//! however its owner ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use twinrail_chaos_tests::lab::remnants::{self, LabId};
use twinrail_chaos_tests::lab::{Lab, Layout};
use twinrail_chaos_tests::measure::clock;
use twinrail_proto::domain::Rail;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rails_carry_and_a_cut_is_seen_by_the_prober() -> Result<()> {
    let _turn = remnants::turn()?;
    let lab = Lab::build(Layout::default())?;
    let (server, director) = (lab.machine("s1")?.kind, lab.machine("d2")?.kind);
    let source = server.rail_address(Rail::A).context("s1 is on no rail")?;
    let target = SocketAddr::from((director.rail_address(Rail::A).context("d2 is on no rail")?, 9_000));
    let _responder = lab.spawn("d2", "responder-d2", lab.programs.lab(), &["responder", "--listen", "0.0.0.0:9000"])?;
    let mut prober = lab.start_prober("s1", "prober", source, target)?;
    prober.wait_for_answers(5 * SECOND)?;
    let transfer = lab.start_transfer("s1", "transfer", source, target)?;

    let quiet = clock::now();
    std::thread::sleep(SECOND / 2);
    let cut = lab.cut_rail(Rail::A)?;
    std::thread::sleep(SECOND / 4);
    lab.restore_rail(Rail::A)?;
    prober.wait_for_answers(5 * SECOND)?;
    let end = clock::now();

    let before = prober.window(quiet, cut)?;
    ensure!(before.lost == 0, "probes were lost before anything was cut: {before:?}");
    let during = prober.window(cut, end)?;
    let gap = Duration::from_nanos(during.longest_gap);
    ensure!(gap >= SECOND / 4 && during.lost >= 200, "the cut of 250 ms was not seen: {during:?}");

    let report = transfer.finish()?;
    ensure!(report.lived && report.verified_bytes > 0, "the transfer did not live: {report:?}");
    let summary = prober.finish()?;
    ensure!(summary.sent == summary.answered + summary.lost, "probes do not add up: {summary:?}");
    Ok(())
}

#[test]
fn a_partition_cuts_only_whom_it_names() -> Result<()> {
    let _turn = remnants::turn()?;
    let lab = Lab::build(Layout::default())?;
    let pings = |from: &str, to: &str| -> Result<bool> {
        let address = lab.machine(to)?.kind.rail_address(Rail::B).context("not on rail B")?.to_string();
        let status = lab.namespace(from)?.command(Path::new("ping"), &["-c1", "-W1", &address]).output()?.status;
        Ok(status.success())
    };
    ensure!(pings("d1", "d2")?, "the rail does not carry");
    lab.partition(&["d1"], &["d2", "d3"])?;
    ensure!(!pings("d1", "d2")? && !pings("d3", "d1")?, "the partition does not cut");
    ensure!(pings("d2", "d3")? && pings("d1", "s1")?, "the partition cuts more than it says");
    lab.heal()?;
    ensure!(pings("d1", "d2")?, "the partition does not heal");
    Ok(())
}

#[test]
fn the_lan_gives_addresses_by_dhcp_and_the_same_to_the_same_mac() -> Result<()> {
    let _turn = remnants::turn()?;
    let lab = Lab::build(Layout::default())?;
    let first = lab.dhcp("d1", "lan0")?;
    let other = lab.dhcp("d2", "lan0")?;
    lab.namespace("d1")?.script("ip addr flush dev lan0")?;
    ensure!(first != other, "two machines got {first}");
    ensure!(lab.dhcp("d1", "lan0")? == first, "the same MAC got another address");
    Ok(())
}

#[test]
fn dropping_a_lab_leaves_nothing() -> Result<()> {
    let _turn = remnants::turn()?;
    let lab = Lab::build(Layout::default())?;
    let (id, folder) = (lab.id().clone(), lab.run_dir().to_owned());
    ensure!(remnants::namespaces(&id)?.len() == 9, "fabric, LAN host, 3 directors, 4 servers");
    drop(lab);
    ensure!(remnants::namespaces(&id)?.is_empty() && !folder.exists(), "lab {id} is still there");
    Ok(())
}

#[test]
fn an_owner_that_is_killed_leaves_nothing() -> Result<()> {
    let _turn = remnants::turn()?;
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        let (mut owner, id) = start_owner()?;
        ensure!(remnants::namespaces(&id)?.len() == 9, "the lab is not up");
        kill_process(Pid::from_child(&owner), signal)?;
        owner.wait()?;
        wait_until_gone(&id).with_context(|| format!("after {signal:?}"))?;
        // Who was killed cannot say that it ended in order: the logs may be wanted.
        ensure!(
            id.run_dir().exists() == (signal == Signal::KILL),
            "after {signal:?}: logs are in {}",
            id.run_dir().display()
        );
        if signal == Signal::KILL {
            std::fs::remove_dir_all(id.run_dir())?;
        }
    }
    Ok(())
}

#[test]
fn a_lab_whose_janitor_died_too_is_removed_by_the_next() -> Result<()> {
    let _turn = remnants::turn()?;
    let (mut owner, id) = start_owner()?;
    let janitor = children(&owner, "janitor")?;
    kill_process(janitor, Signal::KILL)?;
    kill_process(Pid::from_child(&owner), Signal::KILL)?;
    owner.wait()?;
    ensure!(!remnants::namespaces(&id)?.is_empty(), "somebody else removed the lab");
    remnants::reap_orphans()?;
    ensure!(remnants::namespaces(&id)?.is_empty(), "the orphan was not removed");
    std::fs::remove_dir_all(id.run_dir()).context("could not remove the orphan's logs")
}

/// `lab up` as a process of its own, and the name of its lab.
fn start_owner() -> Result<(Child, LabId)> {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_lab")).arg("up").stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(owner.stdout.take().context("no output")?).lines();
    let line = lines.next().context("`lab up` printed nothing")??;
    let id = LabId::parse(line.split_whitespace().nth(1).unwrap_or_default())?;
    Ok((owner, id))
}

fn children(owner: &Child, argument: &str) -> Result<Pid> {
    let pid = owner.id();
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in list.split_whitespace() {
        let command = std::fs::read_to_string(format!("/proc/{child}/cmdline"))?;
        if command.split('\0').any(|word| word == argument) {
            return Pid::from_raw(child.parse()?).context("pid 0");
        }
    }
    anyhow::bail!("no child of {pid} is a {argument}: {list}")
}

fn wait_until_gone(id: &LabId) -> Result<()> {
    let end = Instant::now() + 10 * SECOND;
    while !remnants::namespaces(id)?.is_empty() {
        ensure!(Instant::now() < end, "lab {id} is still there");
        std::thread::sleep(SECOND / 50);
    }
    Ok(())
}

/// Nothing is built, and nobody needs to be root.
#[test]
fn the_demo_says_what_it_is_when_asked() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--help").output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && said.contains("Usage") && said.contains("STAY=1"), "{said}");
    Ok(())
}
