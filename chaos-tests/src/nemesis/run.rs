//! One run: the stage is set, the steps are done one after the other, the stage is cleared, everything is judged, the report written.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::evidence::{Evidence, Round};
use super::faults::Struck;
use super::invariants::{Finding, InvariantRef, Verdict};
use super::options::{Length, Plan};
use super::quiet::{self, Service};
use super::report;
use super::schedule::{self, Step};
use super::stage::Stage;
use super::world::wait;
use crate::lab::interrupt;
use crate::measure::clock::{self, milliseconds};

/// Clients are left alone for so long after everything serves again.
const QUIET: Duration = Duration::from_millis(500);
/// Before the first fault.
const WARM_UP: Duration = Duration::from_secs(1);
/// Violations that are printed for each invariant; the report has all.
const PRINTED: usize = 5;

/// What a run came to.
pub struct Outcome {
    pub evidence: Evidence,
    pub findings: Vec<(InvariantRef, Finding)>,
    pub interrupted: bool,
}

impl Outcome {
    /// No invariant is broken, and nothing broke the run off.
    pub fn is_clean(&self) -> bool {
        self.evidence.broken_off.is_none() && self.findings.iter().all(|it| it.1.verdict() != Verdict::Broken)
    }
}

pub fn run(plan: &Plan) -> Result<Outcome> {
    interrupt::ask_first();
    println!("seed {}, {} kinds of faults; the stage is being set", plan.seed, plan.faults.len());
    let mut stage = Stage::set(plan)?;
    let mut evidence = Evidence::default();
    let broken_off = perform(plan, &mut stage, &mut evidence).err();
    println!("the faults are over; everything is read back and judged");
    let cleared = stage.clear(&mut evidence);
    let errors = broken_off.iter().chain(cleared.as_ref().err()).map(|it| format!("{it:#}")).collect::<Vec<_>>();
    evidence.broken_off = Some(errors.join("; ")).filter(|it| !it.is_empty() && !interrupt::was_told());
    let findings = plan.invariants.iter().map(|it| (*it, it.judge(&evidence))).collect();
    let outcome = Outcome { evidence, findings, interrupted: interrupt::was_told() };
    report::write(plan, &outcome)?;
    if let (Ok(mut world), false) = (cleared, outcome.is_clean()) {
        world.lab.keep_logs();
    }
    print(plan, &outcome);
    Ok(outcome)
}

/// All steps.
fn perform(plan: &Plan, stage: &mut Stage, evidence: &mut Evidence) -> Result<()> {
    stage.watched.iter_mut().try_for_each(|it| it.wait_for_answers())?;
    evidence.from = clock::now();
    wait(WARM_UP);
    let end = match plan.length {
        Length::Time(time) => Some(Instant::now() + time),
        Length::Rounds(_) => None,
    };
    let most = if let Length::Rounds(rounds) = plan.length { rounds } else { usize::MAX };
    for (number, step) in (1..).zip(steps(plan).take(most)) {
        if interrupt::was_told() || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        let round = perform_one(stage, number, step);
        let round = round.with_context(|| format!("round {number}: {step}"))?;
        let served = round.served.is_some();
        tell(&round);
        evidence.rounds.push(round);
        if !served {
            break;
        }
        evidence.devices.push(quiet::devices(&stage.world)?);
        wait(QUIET);
    }
    Ok(())
}

fn steps(plan: &Plan) -> Box<dyn Iterator<Item = Step> + '_> {
    match plan.steps.clone() {
        Some(steps) => Box::new(steps.into_iter()),
        None => Box::new(schedule::series(plan.seed, &plan.faults)),
    }
}

/// Rest, inflict, hold, heal, and wait until everything serves again.
fn perform_one(stage: &mut Stage, number: usize, step: Step) -> Result<Round> {
    wait(step.rest);
    let from = clock::now();
    let struck = step.fault.inflict(&mut stage.world, &step).context("it could not be inflicted")?;
    let inflicted = clock::now();
    stage.world.set_away(&struck.away);
    wait(step.hold);
    let still_running = still_running(stage, &struck)?;
    let healing = clock::now();
    if struck.away.len() == stage.world.directors().len() {
        // Somebody must be asked by whoever heals.
        stage.world.set_back();
    }
    step.fault.heal(&mut stage.world, &step, &struck).context("it could not be healed")?;
    let healed = clock::now();
    stage.world.set_back();
    let (served, missing) = match quiet::serves_again(stage, healed)? {
        Service::Again(at) => (Some(at), String::new()),
        Service::Missing(what) => (None, what),
        Service::Interrupted => (None, String::new()),
    };
    Ok(Round { number, step, struck, from, inflicted, healing, healed, served, still_running, missing })
}

/// Directors that should have stopped by themselves, and have not.
fn still_running(stage: &mut Stage, struck: &Struck) -> Result<Vec<String>> {
    let mut running = Vec::new();
    for name in &struck.must_stop {
        if stage.world.lab.is_running(name)? {
            running.push(name.clone());
        }
    }
    Ok(running)
}

fn tell(round: &Round) {
    let Round { number, step, struck, from, healed, served, missing, .. } = round;
    let (name, whom, lasted) = (step.fault.name(), &struck.whom, milliseconds(healed - from));
    match served {
        Some(at) => println!(
            "{number:>4}  {name:<20} {whom:<26} {lasted:>7} ms, serves again after {} ms",
            milliseconds(at - healed)
        ),
        None if missing.is_empty() => println!("{number:>4}  {name:<20} {whom}: interrupted"),
        None => println!("{number:>4}  {name:<20} {whom}: DOES NOT SERVE AGAIN: {missing}"),
    }
    // Whoever reads along through a pipe sees it now.
    std::io::stdout().flush().ok();
}

fn print(plan: &Plan, outcome: &Outcome) {
    println!();
    for (invariant, finding) in &outcome.findings {
        println!("{:<10} {:<20} {}", finding.verdict().to_string(), invariant.name(), finding.looked_at);
        for violation in finding.violations.iter().take(PRINTED) {
            let at = violation.at.map_or(String::new(), |at| format!("at {:.3} s: ", outcome.evidence.seconds(at)));
            println!("             {at}{}", violation.what);
        }
        if finding.violations.len() > PRINTED {
            println!("             and {} more: see the report", finding.violations.len() - PRINTED);
        }
    }
    if let Some(why) = &outcome.evidence.broken_off {
        println!("BROKEN OFF {why}");
    }
    println!("\nreport     {}", plan.report.display());
    println!("reproduce  {}", report::reproduction(plan, outcome.evidence.rounds.len()));
}
