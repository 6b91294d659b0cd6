//! What is tried in the guest: the lab's tests, on rails that are RDMA.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::{Guest, words};
use crate::lab::setting::{EMULATED_VARIABLE, VERBS_VARIABLE};
use crate::lab::shell;

/// One test program, and which of its tests.
struct Trial {
    /// The file in `tests`.
    program: &'static str,
    /// Names of tests; none: all.
    tests: &'static [&'static str],
    /// The rails that are RDMA.
    verbs: &'static str,
    patience: Duration,
}

const fn trial(program: &'static str, tests: &'static [&'static str], verbs: &'static str, seconds: u64) -> Trial {
    Trial { program, tests, verbs, patience: Duration::from_secs(seconds) }
}

/// The lab's rails and, with nothing of a cluster around it, the verbs rail itself: what `make test-guest` runs.
const RAILS: [Trial; 1] = [trial("rdma_lab", &[], "AB", 90)];

/// Whole clusters on RDMA rails.
const CLUSTERS: [Trial; 6] = [
    trial("traffic", &[], "AB", 90),
    trial("rail_cuts", &["one_cable_of_a_director_may_go", "both_cables_of_a_director_may_go"], "AB", 120),
    trial("power_cuts", &[], "AB", 120),
    trial("rdma_peer", &[], "AB", 90),
    trial("traffic", &[], "A", 90),
    trial("vhba_check", &["nothing_acknowledged_is_lost_or_overwritten_through_takeovers_of_every_kind"], "AB", 200),
];

/// What is run.
#[derive(Args)]
pub struct TrialOptions {
    /// Whole clusters as well.
    #[arg(long)]
    clusters: bool,
    /// The rails that are RDMA in place of what each test says: A, B, AB; empty: none.
    #[arg(long)]
    rails: Option<String>,
    /// Only these test programs.
    only: Vec<String>,
}

impl TrialOptions {
    fn wants(&self, trial: &Trial) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it == trial.program)
    }
}

/// Runs them in one guest; whether all passed.
pub fn run(options: &TrialOptions) -> Result<bool> {
    let clusters = CLUSTERS.iter().filter(|_| options.clusters);
    let trials: Vec<&Trial> = RAILS.iter().chain(clusters).filter(|it| options.wants(it)).collect();
    ensure!(!trials.is_empty(), "there are no such trials: {}", options.only.join(", "));
    let programs = test_programs(&trials)?;
    let start = Instant::now();
    let mut guest = Guest::boot()?;
    println!("the guest is up after {} s", start.elapsed().as_secs());
    let mut passed = true;
    for trial in trials {
        let program = programs.get(trial.program).with_context(|| format!("there is no test {}", trial.program))?;
        passed &= trial.run(&mut guest, program, options.rails.as_deref().unwrap_or(trial.verbs))?;
    }
    Ok(passed)
}

impl Trial {
    fn run(&self, guest: &mut Guest, program: &str, verbs: &str) -> Result<bool> {
        let rails = format!("{VERBS_VARIABLE}={verbs}");
        let emulated = format!("{EMULATED_VARIABLE}=1");
        let fixed = ["env", &rails, &emulated, "RUST_BACKTRACE=1", program];
        // Tests that need RDMA are ignored elsewhere.
        let options = ["--include-ignored", "--test-threads=1", "--nocapture", "--exact"];
        let options = if self.tests.is_empty() { &options[..3] } else { &options[..] };
        let line = words(fixed.iter().chain(self.tests).chain(options).copied());
        println!("-- {} on rails {verbs:?}", self.program);
        let start = Instant::now();
        let status = guest.run(&line, self.patience, &mut print)?;
        println!("-- {}: status {status}, {} s", self.program, start.elapsed().as_secs());
        if status != 0 {
            guest.save_logs(self.program)?;
        }
        Ok(status == 0)
    }
}

fn print(octets: &[u8]) {
    let mut output = std::io::stdout();
    // A reader that has gone must not end the trial.
    output.write_all(octets).and_then(|()| output.flush()).ok();
}

/// The programs of the trials by the names of their files, as cargo says; it builds those that are not there.
fn test_programs(trials: &[&Trial]) -> Result<BTreeMap<String, String>> {
    let arguments =
        ["test", "--quiet", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"];
    let named = trials.iter().flat_map(|it| ["--test", it.program]);
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let messages = shell::run(Command::new(cargo).args(arguments).args(named))?;
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["target"]["kind"][0] == "test";
        let (name, path) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
        is_test.then(|| (name.to_owned(), path.to_owned()))
    };
    let programs: BTreeMap<String, String> = messages.lines().filter_map(program).collect();
    if programs.is_empty() {
        bail!("cargo names no test programs");
    }
    Ok(programs)
}
