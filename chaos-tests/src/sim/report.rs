//! What people are told: a line for a finding, by which it can be made again, and figures of many runs.

use std::time::Duration;

use super::faults::write_schedule;
use super::queue::{MILLI, Nanos, SECOND};
use super::run::{Options, Outcome};

/// One line that makes this finding again.
pub fn reproduce(options: &Options, outcome: &Outcome) -> String {
    let bug = options.bug.map(|it| format!(" --bug {it}")).unwrap_or_default();
    let faults = write_schedule(&outcome.schedule);
    format!("cargo run --release -p twinrail-chaos-tests --bin sim -- --seed {}{bug} --faults '{faults}'", outcome.seed)
}

pub fn finding(outcome: &Outcome) -> Option<String> {
    let it = outcome.finding.as_ref()?;
    let at = it.at as f64 / MILLI as f64;
    Some(format!("seed {}: {} does not hold at {at:.1} ms: {}", outcome.seed, it.invariant, it.detail))
}

/// Of many runs.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub seeds: u64,
    pub events: u64,
    pub tolerated: u64,
    pub simulated: Nanos,
    pub healed: Vec<Nanos>,
    pub failovers: Vec<Nanos>,
}

impl Figures {
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.tolerated += outcome.tolerated;
        self.simulated += outcome.simulated;
        self.healed.extend(outcome.healed);
        self.failovers.extend(outcome.failover);
    }

    pub fn text(&mut self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let hours = self.simulated as f64 / SECOND as f64 / 3600.0;
        let rate = hours / (seconds / 3600.0);
        format!(
            "{} seeds in {seconds:.1} s: {:.1} seeds/s, {rate:.0} simulated hours an hour, {} events a seed; healed after {}; vNICs of a dead home answer after {}; {} late announcements tolerated",
            self.seeds,
            self.seeds as f64 / seconds,
            self.events / self.seeds.max(1),
            spread(&mut self.healed),
            spread(&mut self.failovers),
            self.tolerated,
        )
    }
}

fn spread(times: &mut [Nanos]) -> String {
    times.sort_unstable();
    match times {
        [] => "(never)".to_owned(),
        times => {
            let at = |part: usize| times[(times.len() - 1) * part / 100] / MILLI;
            format!("{} / {} / {} ms (median, 99 %, longest)", at(50), at(99), at(100))
        }
    }
}
