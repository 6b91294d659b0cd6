//! What one asks for on the command line, checked whole before anything is made.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::faults::{self, FaultRef, Means};
use super::invariants::{self, InvariantRef};
use super::report;
use super::schedule::{self, Step};

pub const USUAL_DIRECTORS: u8 = 3;
const LONGEST_RUN: f64 = 24.0 * 60.0;
/// Where reports and schedules go.
const FOLDER: &str = "target/nemesis";

#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Faults for so long; then everything is judged.
    #[arg(long, value_parser = minutes, conflicts_with_all = ["rounds", "schedule"])]
    pub minutes: Option<f64>,
    /// So many faults, however long they take.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "schedule")]
    pub rounds: Option<u32>,
    /// What faults and clients are drawn from; none: a new one, which is printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many directors there are.
    #[arg(long, value_parser = clap::value_parser!(u8).range(3..=7))]
    pub directors: Option<u8>,
    /// Only these, separated by commas; `all` is all that can be done here.
    #[arg(long, value_delimiter = ',', value_name = "FAULT", conflicts_with = "schedule")]
    pub faults: Vec<String>,
    /// Judge only by these, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "INVARIANT")]
    pub invariants: Vec<String>,
    /// The steps of this file, instead of a seed's.
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// An older build of `twinrail`, for the fault `old-version`.
    #[arg(long, value_name = "PATH")]
    pub old_binary: Option<PathBuf>,
    /// Where the report goes [default: `target/nemesis/seed-SEED.html`]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Say which faults and invariants there are, and do nothing.
    #[arg(long)]
    pub list: bool,
}

/// What shall be done.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub length: Length,
    pub directors: u8,
    /// Of these the steps are drawn.
    pub faults: Vec<FaultRef>,
    /// In place of drawn ones.
    pub steps: Option<Vec<Step>>,
    pub invariants: Vec<InvariantRef>,
    pub means: Means,
    pub report: PathBuf,
    /// As given, or `all`: for the line that reproduces the run.
    pub fault_words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Time(Duration),
    Rounds(usize),
}

impl Options {
    pub fn plan(&self) -> Result<Plan> {
        let means = Means { old_program: self.old_binary.clone() };
        if let Some(path) = &means.old_program {
            ensure!(path.is_file(), "--old-binary {}: there is no such file", path.display());
        }
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let steps = self.schedule.as_ref().map(|path| read(path, &means)).transpose()?;
        let length = match (&steps, self.rounds, self.minutes) {
            (Some(steps), ..) => Length::Rounds(steps.len()),
            (None, Some(rounds), _) => Length::Rounds(rounds as usize),
            (None, None, minutes) => Length::Time(Duration::from_secs_f64(60.0 * minutes.unwrap_or(1.0))),
        };
        let report = self.report.clone().unwrap_or_else(|| PathBuf::from(format!("{FOLDER}/seed-{seed}.html")));
        let (faults, invariants) = (self.faults(&means)?, self.invariants()?);
        report::prepare(&report)?;
        let all = self.faults.is_empty() || self.faults.iter().any(|it| it == "all");
        let fault_words = if all { "all".to_owned() } else { self.faults.join(",") };
        let directors = self.directors.unwrap_or(USUAL_DIRECTORS);
        Ok(Plan { seed, length, directors, faults, steps, invariants, means, report, fault_words })
    }

    fn faults(&self, means: &Means) -> Result<Vec<FaultRef>> {
        if self.faults.is_empty() || self.faults.iter().any(|it| it == "all") {
            return Ok(faults::all().into_iter().filter(|it| it.lacks(means).is_none()).collect());
        }
        self.faults.iter().map(|name| able(faults::named(name)?, means)).collect()
    }

    fn invariants(&self) -> Result<Vec<InvariantRef>> {
        if self.invariants.is_empty() {
            return Ok(invariants::ALL.to_vec());
        }
        self.invariants.iter().map(|name| invariants::named(name)).collect()
    }
}

fn read(path: &PathBuf, means: &Means) -> Result<Vec<Step>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let steps = schedule::parse(&text).with_context(|| format!("the schedule {}", path.display()))?;
    steps.iter().try_for_each(|it| able(it.fault, means).map(drop))?;
    Ok(steps)
}

fn able(fault: FaultRef, means: &Means) -> Result<FaultRef> {
    match fault.lacks(means) {
        Some(what) => bail!("the fault '{}' needs {what}", fault.name()),
        None => Ok(fault),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("'{text}' is no number of minutes"))?;
    if number > 0.0 && number <= LONGEST_RUN {
        return Ok(number);
    }
    Err(format!("{text} is not more than 0 and at most {LONGEST_RUN} minutes"))
}

/// Prints what there is.
pub fn list() {
    println!("faults (--faults):");
    faults::all().iter().for_each(|it| println!("  {:<20} {}", it.name(), it.means()));
    println!("\ninvariants (--invariants):");
    invariants::ALL.iter().for_each(|it| println!("  {:<20} {}", it.name(), it.means()));
}
