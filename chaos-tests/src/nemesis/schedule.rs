//! What shall happen, one step after the other: drawn from a seed, or read from a file. Pure.
//!
//! ```text
//!   # fault          on whom          after            lasts            what else is drawn
//!   power-cut        target=leader    rest=812ms       hold=1930ms      draw=81239
//! ```
//!
//! Whom a step hits is said by role, and becomes a name when it is done: who leads then depends on real clocks. So a seed gives the
//! same schedule always, and the same run only nearly.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::faults::{self, FaultRef};

/// Clients are left alone for so long before a step, in ms.
const REST_MS: std::ops::Range<u64> = 300..1_200;
/// A fault lasts so long, in ms: from less than a failover takes to longer than two leases.
const HOLD_MS: std::ops::Range<u64> = 200..4_000;
/// Longer ones in a schedule that was written by hand are a slip of the pen.
const LONGEST: Duration = Duration::from_secs(600);
/// Decimal digits of a draw are enough for every choice that a fault makes.
const DRAWS: u64 = 1_000_000;

/// Which director a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Leader,
    /// The home of an adapter, which of them is drawn.
    Home,
    /// One that does not lead.
    Follower,
    Any,
}

const TARGETS: [(Target, &str); 4] =
    [(Target::Leader, "leader"), (Target::Home, "home"), (Target::Follower, "follower"), (Target::Any, "any")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub fault: FaultRef,
    pub target: Target,
    pub rest: Duration,
    pub hold: Duration,
    /// For whatever else the fault has to choose.
    pub draw: u64,
}

/// The series of a seed: each of these faults as often as the others, in a random order. It does not end.
pub fn series(seed: u64, faults: &[FaultRef]) -> impl Iterator<Item = Step> {
    let mut random = SmallRng::seed_from_u64(seed);
    let faults = faults.to_vec();
    std::iter::repeat_with(move || {
        let mut round = faults.clone();
        round.shuffle(&mut random);
        round.into_iter().map(|fault| draw(&mut random, fault)).collect::<Vec<_>>()
    })
    .flatten()
}

fn draw(random: &mut SmallRng, fault: FaultRef) -> Step {
    let target = TARGETS.choose(random).map_or(Target::Any, |it| it.0);
    let mut time = |range| Duration::from_millis(random.random_range(range));
    let (rest, hold) = (time(REST_MS), time(HOLD_MS));
    Step { fault, target, rest, hold, draw: random.random_range(0..DRAWS) }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, target, rest, hold, draw } = self;
        let target = TARGETS.iter().find(|it| it.0 == *target).map_or("any", |it| it.1);
        let (rest, hold) = (rest.as_millis(), hold.as_millis());
        write!(f, "{:<20} target={target:<8} rest={rest}ms hold={hold}ms draw={draw}", fault.name())
    }
}

/// Reads a schedule: one step a line; empty lines and what follows a `#` do not count.
pub fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            steps.push(parse_step(line).with_context(|| format!("line {number}: `{line}`"))?);
        }
    }
    ensure!(!steps.is_empty(), "a schedule without a single step");
    Ok(steps)
}

fn parse_step(line: &str) -> Result<Step> {
    let mut words = line.split_whitespace();
    let fault = faults::named(words.next().unwrap_or_default())?;
    let ms = Duration::from_millis;
    let mut step = Step { fault, target: Target::Any, rest: ms(REST_MS.start), hold: ms(1_000), draw: 0 };
    for word in words {
        let (key, value) = word.split_once('=').with_context(|| format!("'{word}' is not key=value"))?;
        match key {
            "target" => step.target = parse_target(value)?,
            "rest" => step.rest = parse_time(value)?,
            "hold" => step.hold = parse_time(value)?,
            "draw" => step.draw = value.parse().with_context(|| format!("draw '{value}' is no whole number"))?,
            _ => bail!("'{key}' is none of target, rest, hold, draw"),
        }
    }
    Ok(step)
}

fn parse_target(text: &str) -> Result<Target> {
    let found = TARGETS.iter().find(|it| it.1 == text).map(|it| it.0);
    found.with_context(|| format!("target '{text}' is none of {}", TARGETS.map(|it| it.1).join(", ")))
}

fn parse_time(text: &str) -> Result<Duration> {
    let number = text.strip_suffix("ms").with_context(|| format!("'{text}' is no time like 250ms"))?;
    let time = number.parse().map(Duration::from_millis).with_context(|| format!("'{text}' is no time like 250ms"))?;
    ensure!(time <= LONGEST, "'{text}' is more than {} s", LONGEST.as_secs());
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_series_with_every_fault_in_it() {
        let all = faults::all();
        let first = |seed| series(seed, &all).take(2 * all.len()).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        for fault in &all {
            assert_eq!(first(3).iter().filter(|it| it.fault == *fault).count(), 2, "{}", fault.name());
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let steps: Vec<Step> = series(7, &faults::all()).take(40).collect();
        let text: Vec<String> = steps.iter().map(Step::to_string).collect();
        assert_eq!(parse(&text.join("\n")).unwrap(), steps);
        let short = parse("# by hand\n\n  pause  # the rest is usual\n").unwrap();
        assert_eq!((short.len(), short[0].target), (1, Target::Any));
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_its_line() {
        for (text, words) in [
            ("pause\npower-cutt", "line 2: `power-cutt`: there is no fault 'power-cutt'; did you mean 'power-cut'?"),
            ("pause hold=2s", "'2s' is no time like 250ms"),
            ("pause hold=x9ms", "'x9ms' is no time like 250ms"),
            ("pause hold=9999999ms", "more than 600 s"),
            ("pause targt=leader", "'targt' is none of target, rest, hold, draw"),
            ("pause target=boss", "target 'boss' is none of leader, home, follower, any"),
            ("pause draw=-1", "draw '-1' is no whole number"),
            ("pause leader", "'leader' is not key=value"),
            ("# nothing", "without a single step"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
