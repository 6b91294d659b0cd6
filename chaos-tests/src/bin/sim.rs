//! `make sim`: worlds from seeds, in which invariants must hold whatever fails.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::Table;
use twinrail_chaos_tests::sim::bugs::Bug;
use twinrail_chaos_tests::sim::faults::{Fault, check_kind, parse_schedule};
use twinrail_chaos_tests::sim::prove::prove;
use twinrail_chaos_tests::sim::report::{self, Figures};
use twinrail_chaos_tests::sim::run::{Options, Outcome, run};
use twinrail_chaos_tests::sim::{invariants, shrink::shrink};

#[derive(Parser)]
#[command(about = "Simulates whole clusters on a virtual clock; fails when an invariant does not hold")]
struct Arguments {
    /// How many seeds, from --from on.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// This seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Faults instead of those that the seed draws: '3000 kill d1 for 500; 4000 cut d1 d2 A for 900'.
    #[arg(long, conflicts_with = "schedule")]
    faults: Option<String>,
    /// A file with such faults, one a line.
    #[arg(long)]
    schedule: Option<PathBuf>,
    /// Draw faults of these kinds alone.
    #[arg(long, value_delimiter = ',', value_parser = check_kind)]
    only: Vec<String>,
    /// This invariant alone counts.
    #[arg(long, value_parser = invariants::by_name)]
    invariant: Option<&'static str>,
    /// With this deliberate bug, which must then be found.
    #[arg(long)]
    bug: Option<Bug>,
    /// Looks for every deliberate bug, in at most --seeds seeds each.
    #[arg(long)]
    bugs: bool,
    /// Says what happened. With --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Runs every so many-th seed twice, and compares. 0: none.
    #[arg(long, default_value_t = 20)]
    twice: u64,
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, |it| it.get() as u64))]
    threads: u64,
}

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

fn main() -> ExitCode {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("seed {}: a program panicked in this world", SEED.get());
        default(panic);
    }));
    match start(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<bool> {
    ensure!(arguments.threads > 0, "--threads must be at least 1");
    if arguments.bugs {
        return Ok(prove_all(arguments));
    }
    let options = Options {
        seed: 0,
        bug: arguments.bug,
        schedule: schedule(arguments)?,
        kinds: arguments.only.clone(),
        only: arguments.invariant,
        lines: arguments.trace,
    };
    let (first, count) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let started = Instant::now();
    let (mut figures, found) = run_all(&options, first, count, arguments);
    println!("{}", figures.text(started.elapsed()));
    Ok(tell(&options, found))
}

fn schedule(arguments: &Arguments) -> Result<Option<Vec<Fault>>> {
    let text = match (&arguments.faults, &arguments.schedule) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read the schedule {}", path.display()))?
        }
        (None, None) => return Ok(None),
    };
    let place = arguments.schedule.as_ref().map_or("--faults".to_owned(), |it| it.display().to_string());
    Ok(Some(parse_schedule(&text).with_context(|| place)?))
}

/// Figures of all, and the runs that found something, by their seeds.
fn run_all(options: &Options, first: u64, count: u64, arguments: &Arguments) -> (Figures, Vec<Outcome>) {
    let next = AtomicU64::new(first);
    let results = Mutex::new((Figures::default(), Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            SEED.set(seed);
            let options = Options { seed, ..options.clone() };
            let outcome = run(&options);
            if arguments.twice > 0 && seed.is_multiple_of(arguments.twice) {
                let again = run(&options);
                assert_eq!((outcome.trace, outcome.events), (again.trace, again.events), "seed {seed} ran differently");
            }
            let mut results = results.lock().expect("no thread panics while it holds this");
            results.0.add(&outcome);
            if outcome.finding.is_some() || options.lines {
                results.1.push(outcome);
            }
        }
    };
    std::thread::scope(|scope| (0..arguments.threads).for_each(|_| _ = scope.spawn(work)));
    let (figures, mut found) = results.into_inner().expect("all threads have ended");
    found.sort_by_key(|it| it.seed);
    (figures, found)
}

/// Findings that are told in full.
const TOLD: usize = 5;

fn tell(options: &Options, found: Vec<Outcome>) -> bool {
    let mut clean = true;
    let count = found.iter().filter(|it| it.finding.is_some()).count();
    for outcome in found.into_iter().take(TOLD) {
        outcome.lines.iter().for_each(|line| println!("{line}"));
        let Some(text) = report::finding(&outcome) else { continue };
        clean = false;
        println!("{text}");
        let options = Options { seed: outcome.seed, lines: false, ..options.clone() };
        let shortest = shrink(&options, outcome);
        println!("  {}", report::reproduce(&options, &shortest));
    }
    if count > TOLD {
        println!("… and {} more seeds", count - TOLD);
    }
    clean
}

fn prove_all(arguments: &Arguments) -> bool {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["bug", "found by", "seed", "after", "what it is"]);
    let mut all = true;
    for &bug in Bug::ALL {
        let proof = prove(bug, arguments.seeds);
        let (by, seed) = match proof.found.as_ref().and_then(|it| Some((it.finding.as_ref()?, it.seed))) {
            Some((finding, seed)) => (finding.invariant.to_owned(), seed.to_string()),
            None => {
                all = false;
                ("NOT FOUND".to_owned(), format!("1 to {}", proof.seeds))
            }
        };
        table.add_row([
            bug.name().to_owned(),
            by,
            seed,
            format!("{:.2} s", proof.took.as_secs_f64()),
            bug.what().to_owned(),
        ]);
    }
    println!("{table}");
    all
}
