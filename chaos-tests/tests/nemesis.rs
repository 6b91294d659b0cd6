//! A short share of the nemesis: a fixed schedule with one fault of each family against real processes, every invariant judged, the
//! report written. And what is refused.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::nemesis::invariants::Verdict;
use twinrail_chaos_tests::nemesis::options::Options;
use twinrail_chaos_tests::nemesis::run::run;

/// Short ones: with the lab, half a minute.
const SCHEDULE: &str = "
    power-cut           target=leader    hold=600ms
    rails-cut           target=home      hold=2500ms
    rail-cut            hold=400ms
    disk-full           hold=400ms
    fsync-error         hold=1200ms
    drain               target=home      hold=300ms
";

#[test]
fn the_invariants_hold_through_a_short_schedule_and_the_report_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (schedule, report) = (folder.path().join("short"), folder.path().join("report.html"));
    std::fs::write(&schedule, SCHEDULE)?;
    let options =
        Options { seed: Some(1), schedule: Some(schedule), report: Some(report.clone()), ..Options::default() };
    let _turn = remnants::turn()?;
    let outcome = run(&options.plan()?)?;
    ensure!(outcome.evidence.broken_off.is_none(), "{:?}", outcome.evidence.broken_off);
    for (invariant, finding) in &outcome.findings {
        ensure!(finding.verdict() == Verdict::Held, "{}: {finding:?}", invariant.name());
    }
    let page = std::fs::read_to_string(&report).context("no report")?;
    for words in ["<svg", "none was broken", "power-cut", "linearizable", "make chaos SEED=1 SCHEDULE="] {
        ensure!(page.contains(words), "the report lacks {words:?}");
    }
    ensure!(!page.contains("<script") && !page.contains("href="), "the report needs something else");
    Ok(())
}

/// The program takes its turn by itself.
#[test]
fn an_interrupted_run_writes_its_report() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.html");
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_chaos"));
    chaos.args(["--seed", "2", "--faults", "pause", "--rounds", "50", "--report"]).arg(&report).stdout(Stdio::piped());
    let mut child = chaos.spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut said = Vec::new();
    for line in lines {
        said.push(line?);
        // The first line of a round: it is in the middle of the second then.
        if said.last().is_some_and(|line| line.contains("serves again after")) && said.len() == 2 {
            kill_process(Pid::from_child(&child), Signal::INT)?;
        }
    }
    let status = child.wait()?;
    ensure!(status.code() == Some(130), "it ended with {status}: {said:?}");
    let page = std::fs::read_to_string(&report).context("no report")?;
    ensure!(page.contains("interrupted before its end") && page.contains("<svg"), "the report does not say so");
    Ok(())
}

/// Nothing is built, and nobody needs to be root.
#[test]
fn what_is_wrong_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let schedule = folder.path().join("typo");
    std::fs::write(&schedule, "pause target=leader\npower-cut hold=long\n")?;
    let schedule = schedule.to_str().context("a path that is not UTF-8")?;
    for (arguments, words) in [
        (&["--faults", "power-cut,puase"][..], "there is no fault 'puase'; did you mean 'pause'?"),
        (&["--faults", "earthquake"], "there is no fault 'earthquake'; there are: kill, power-cut"),
        (&["--invariants", "one-hom"], "there is no invariant 'one-hom'; did you mean 'one-home'?"),
        (&["--minutes", "ten"], "'ten' is no number of minutes"),
        (&["--minutes", "-1"], "-1"),
        (&["--minutes", "0"], "0 is not more than 0"),
        (&["--minutes", "NaN"], "NaN is not more than 0"),
        (&["--seed", "x"], "invalid value 'x' for '--seed <SEED>'"),
        (&["--rounds", "0"], "0 is not in 1.."),
        (&["--directors", "2"], "2 is not in 3..=7"),
        (&["--schedule", schedule], "line 2: `power-cut hold=long`: 'long' is no time like 250ms"),
        (&["--schedule", "/nowhere"], "could not read /nowhere"),
        (&["--faults", "old-version"], "the fault 'old-version' needs an older build: give its path with --old-binary"),
        (&["--report", "/proc/nowhere/report.html"], "could not create /proc/nowhere"),
        (&["--old-binary", "/nowhere"], "--old-binary /nowhere: there is no such file"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains(words), "{arguments:?}: {said}");
    }
    Ok(())
}

#[test]
fn what_there_is_is_listed() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos")).arg("--list").output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && said.contains("partition-bridge") && said.contains("linearizable"), "{said}");
    Ok(())
}
