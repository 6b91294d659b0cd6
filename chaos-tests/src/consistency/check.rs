//! The load on a vHBA's disk in the lab, takeover after takeover, and the verdict.

use anyhow::{Context, Result};

use super::faults::{Takeover, series, take_over};
use super::load::Tally;
use super::running::RunningLoad;
use super::verdict::Verdict;
use crate::lab::array::Slowness;
use crate::lab::storage::{Storage, VHBA};
use crate::lab::{Lab, Layout};
use crate::measure::clock::{MILLISECOND, milliseconds};

const LUN: u16 = 1;
const MEBIBYTES: u64 = 16;
/// Violations that are printed one by one.
const PRINTED: usize = 10;

/// One run.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// What the load and the faults are drawn from.
    pub seed: u64,
    pub takeovers: usize,
    pub slowness: Slowness,
    /// Directors do not fence: the check must then find stale reads, or it proves nothing.
    pub skip_fence: bool,
    /// No takeover after the first violation.
    pub until_violation: bool,
}

/// The load and the takeovers, in a lab of their own.
pub fn run(options: &CheckOptions) -> Result<Verdict> {
    let mut layout = Layout { flight_recorder: false, servers: vec!["s1".to_owned()], ..Layout::default() };
    if options.skip_fence {
        let trial = toml::Table::from_iter([("skip_fence".to_owned(), true.into())]);
        layout.director_extra.insert("trial".to_owned(), trial.into());
    }
    Storage::deployed(layout, Some(options.slowness), &[(LUN, MEBIBYTES)])?.check(|storage| {
        let cli = storage.cli()?;
        let load = RunningLoad::start(&storage.lab.export(&cli, LUN)?, options.seed)?;
        load.shared.set_epoch(cli.vhba(VHBA)?.epoch()?);
        let takeovers = take_over_each(&mut storage.lab, &load, options);
        // Where the load has failed, that is why the takeovers have.
        let tally = load.finish()?;
        let takeovers = takeovers?;
        print_violations(&tally, &takeovers);
        let gaps = takeovers.iter().map(|it| tally.gaps.longest(it.from, it.to)).collect();
        let verdict = Verdict::new(&tally, gaps);
        if !verdict.is_clean() {
            storage.lab.keep_logs();
        }
        Ok(verdict)
    })
}

fn take_over_each(lab: &mut Lab, load: &RunningLoad, options: &CheckOptions) -> Result<Vec<Takeover>> {
    let mut takeovers: Vec<Takeover> = Vec::new();
    for plan in series(options.seed) {
        let over = options.until_violation && load.shared.violations() > 0;
        if over || takeovers.len() == options.takeovers {
            break;
        }
        let number = takeovers.len() + 1;
        let done = take_over(lab, plan, || load.progress()).with_context(|| format!("takeover {number}"))?;
        let fault = plan.fault;
        let Some(done) = done else {
            println!("       {fault:?}: it woke up before anybody had taken its place");
            continue;
        };
        load.shared.set_epoch(done.epoch);
        let (took, violations) = (milliseconds(done.to - done.from), load.shared.violations());
        let fence = lab.any_cli()?.vhba(VHBA)?.fence();
        println!(
            "  {number:>3}  {fault:?}: answers after {took} ms (fence, ms: {fence}); {violations} violations so far"
        );
        takeovers.push(done);
    }
    Ok(takeovers)
}

fn print_violations(tally: &Tally, takeovers: &[Takeover]) {
    for (at, violation) in tally.violations.iter().take(PRINTED) {
        let takeover = takeovers.iter().rposition(|it| it.from <= *at);
        let since = takeover.map_or(0, |it| (at - takeovers[it].from) / MILLISECOND);
        let number = takeover.map_or(0, |it| it + 1);
        println!("  {violation:?}, {since} ms after takeover {number} began");
    }
}
