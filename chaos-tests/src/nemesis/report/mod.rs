//! The report: one HTML file that needs nothing else, for people who have never seen the project.
//!
//! ```text
//!   lanes      who led, who was home, when clients got no answer: stretches of time     pure
//!   timeline   the lanes of all, minute by minute, as SVG                               pure
//!   histogram  gaps by kind of fault, as SVG                                            pure
//!   page       all of it together                                                       pure
//! ```

mod histogram;
mod lanes;
mod page;
mod svg;
mod timeline;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::options::{Length, Plan, USUAL_DIRECTORS};
use super::run::Outcome;
use super::schedule::Step;
use crate::lab::programs::Programs;
use crate::lab::shell;

/// Makes sure that the report can be written, before anything is done that takes time.
pub fn prepare(report: &Path) -> Result<()> {
    if let Some(folder) = report.parent() {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    fs::write(report, "").with_context(|| format!("could not write {}", report.display()))
}

/// Writes the report, and the schedule that was done beside it.
pub fn write(plan: &Plan, outcome: &Outcome) -> Result<()> {
    let page = page::page(plan, outcome, &versions(plan));
    fs::write(&plan.report, page).with_context(|| format!("could not write {}", plan.report.display()))?;
    let path = schedule_file(&plan.report);
    fs::write(&path, schedule_text(plan, outcome)).with_context(|| format!("could not write {}", path.display()))
}

/// One line that does it again.
pub fn reproduction(plan: &Plan, rounds: usize) -> String {
    let (seed, faults) = (plan.seed, &plan.fault_words);
    let old = plan.means.old_program.as_ref().map_or(String::new(), |it| format!(" OLD_BINARY={}", it.display()));
    let many = if plan.directors == USUAL_DIRECTORS { String::new() } else { format!(" DIRECTORS={}", plan.directors) };
    match plan.steps {
        Some(_) => format!("make chaos SEED={seed} SCHEDULE={}{many}{old}", schedule_file(&plan.report).display()),
        None => format!("make chaos SEED={seed} FAULTS={faults} ROUNDS={}{many}{old}", rounds.max(1)),
    }
}

fn schedule_file(report: &Path) -> std::path::PathBuf {
    report.with_extension("schedule")
}

fn schedule_text(plan: &Plan, outcome: &Outcome) -> String {
    let steps: Vec<String> = outcome.evidence.rounds.iter().map(|it| it.step.to_string()).collect();
    format!("# seed {}, as it was done\n{}\n", plan.seed, steps.join("\n"))
}

/// What was tried, on what.
fn versions(plan: &Plan) -> Vec<(String, String)> {
    let said = |command: &mut Command| shell::run(command).map_or("unknown".to_owned(), |it| it.trim().to_owned());
    let program = Programs::find().ok().and_then(|it| it.twinrail().map(Path::to_owned).ok());
    let version = program.map_or("unknown".to_owned(), |it| said(Command::new(it).arg("--version")));
    let mut versions = vec![
        ("program".to_owned(), version),
        ("source".to_owned(), said(Command::new("git").args(["describe", "--always", "--dirty"]))),
        ("kernel".to_owned(), said(Command::new("uname").arg("-r"))),
        ("build".to_owned(), if cfg!(debug_assertions) { "unoptimised" } else { "optimised" }.to_owned()),
    ];
    if let Some(old) = &plan.means.old_program {
        versions.push(("older build".to_owned(), said(Command::new(old).arg("--version"))));
    }
    versions
}

/// How long the run was to be, in words.
fn length(plan: &Plan) -> String {
    match plan.length {
        Length::Time(time) => format!("{:.1} minutes of faults", time.as_secs_f64() / 60.0),
        Length::Rounds(1) => "one fault".to_owned(),
        Length::Rounds(rounds) => format!("{rounds} faults"),
    }
}

/// Whether two steps are of the same kind.
fn same_kind(one: &Step, other: &Step) -> bool {
    one.fault == other.fault
}
