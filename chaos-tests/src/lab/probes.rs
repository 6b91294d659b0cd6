//! A prober, or a TCP transfer, that runs in the lab, and what it has seen so far.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::setting::{self, setting};
use super::{Lab, Process};
use crate::measure::clock::{self, Nanos};
use crate::measure::probe_log::LOST_AFTER;
use crate::measure::report::{ProbeEvent, ProbeSummary, TcpReport};

/// How long a measuring program may take to say its last word.
const LAST_WORD: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// What an emulated machine can do beside the rest: a probe every 20 ms, 1 Mbit/s.
const GENTLE_PROBES: [&str; 2] = ["--interval-us", "20000"];
const GENTLE_TRANSFER: [&str; 2] = ["--rate-mbit", "1"];

/// A prober that runs.
pub struct RunningProber {
    process: Process,
    /// So many octets of its log were read, and what they say; of ticks only the last is kept.
    read: u64,
    events: Vec<ProbeEvent>,
    tick: Option<ProbeEvent>,
}

/// What happened to the probes in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The longest time without an answer that overlaps the stretch; 0 when none was long enough to be told.
    pub longest_gap: Nanos,
    /// Probes sent in the stretch that were never answered.
    pub lost: u64,
    /// The longest time in which the prober itself was not scheduled.
    pub own_stall: Nanos,
}

impl RunningProber {
    /// What was seen in a stretch of time. Waits until all of it is settled: every probe of it answered or given up.
    pub fn window(&mut self, from: Nanos, to: Nanos) -> Result<Window> {
        let patience = Duration::from_nanos(to.saturating_sub(clock::now()) + 3 * LOST_AFTER);
        self.wait_for(patience, "settled", |tick| tick.is_some_and(|it| it.2 >= to))?;
        Ok(window(&self.events, from, to))
    }

    /// Waits until an answer comes that is younger than this call.
    pub fn wait_for_answers(&mut self, patience: Duration) -> Result<()> {
        let called = clock::now();
        self.wait_for(patience, "getting answers", |tick| tick.and_then(|it| it.1).is_some_and(|it| it > called))
    }

    /// Ends it.
    pub fn finish(mut self) -> Result<ProbeSummary> {
        self.process.terminate(LAST_WORD)?;
        let summary = self.events()?.iter().find_map(|event| match event {
            ProbeEvent::Summary(summary) => Some(summary.clone()),
            _ => None,
        });
        summary.with_context(|| format!("the prober {} gave no summary", self.process.label()))
    }

    /// Everything that it said so far, but for its ticks.
    pub fn events(&mut self) -> Result<&[ProbeEvent]> {
        let path = self.process.log();
        let mut text = String::new();
        let read = File::open(path).and_then(|mut it| {
            it.seek(SeekFrom::Start(self.read))?;
            it.read_to_string(&mut text)
        });
        read.with_context(|| format!("could not read {}", path.display()))?;
        // The last line may be half written: it is read again.
        let whole = text.rfind('\n').map_or(0, |it| it + 1);
        for line in text[..whole].lines() {
            let event = serde_json::from_str(line).with_context(|| format!("{} says: {line}", path.display()))?;
            match event {
                ProbeEvent::Tick { .. } => self.tick = Some(event),
                other => self.events.push(other),
            }
        }
        self.read += whole as u64;
        Ok(&self.events)
    }

    /// When the last answer came that was told; None as well where the log cannot be read.
    pub fn last_answer(&mut self) -> Option<Nanos> {
        self.events().ok()?;
        self.tick.as_ref().and_then(tick)?.1
    }

    fn wait_for(&mut self, patience: Duration, what: &str, holds: impl Fn(Option<Tick>) -> bool) -> Result<()> {
        let patience = setting::patience(patience);
        let end = Instant::now() + patience;
        loop {
            self.events()?;
            if holds(self.tick.as_ref().and_then(tick)) {
                return Ok(());
            }
            if !self.process.is_running()? || Instant::now() > end {
                let (label, log) = (self.process.label(), self.process.log().display());
                bail!("the prober {label} was not {what} within {patience:?}; see {log}");
            }
            std::thread::sleep(POLL);
        }
    }
}

/// When it was told, the last answer, and until when all is settled.
type Tick = (Nanos, Option<Nanos>, Nanos);

fn tick(event: &ProbeEvent) -> Option<Tick> {
    match event {
        ProbeEvent::Tick { at, last_answer, settled } => Some((*at, *last_answer, *settled)),
        _ => None,
    }
}

fn window(events: &[ProbeEvent], from: Nanos, to: Nanos) -> Window {
    let mut window = Window { longest_gap: 0, lost: 0, own_stall: 0 };
    let overlap = |start: &Nanos, end: &Nanos| *start < to && *end > from;
    for event in events {
        match event {
            ProbeEvent::Gap { from, to } if overlap(from, to) => window.longest_gap = window.longest_gap.max(to - from),
            ProbeEvent::OwnStall { from, to } if overlap(from, to) => {
                window.own_stall = window.own_stall.max(to - from)
            }
            ProbeEvent::Lost { sent_at } if (from..to).contains(sent_at) => window.lost += 1,
            _ => {}
        }
    }
    window
}

/// A TCP transfer that runs.
pub struct RunningTransfer {
    process: Process,
}

impl RunningTransfer {
    /// Ends it and asks how it went.
    pub fn finish(mut self) -> Result<TcpReport> {
        self.process.terminate(LAST_WORD + Duration::from_secs(20))?;
        let path = self.process.log();
        let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("the transfer gave no report but: {last}"))
    }
}

impl Lab {
    /// Starts a 1 ms prober on a machine, from one of its addresses.
    pub fn start_prober(
        &self,
        machine: &str,
        label: &str,
        source: Ipv4Addr,
        target: SocketAddr,
    ) -> Result<RunningProber> {
        let process = self.measure("prober", &GENTLE_PROBES, machine, label, source, target)?;
        Ok(RunningProber { process, read: 0, events: Vec::new(), tick: None })
    }

    pub fn start_transfer(
        &self,
        machine: &str,
        label: &str,
        source: Ipv4Addr,
        target: SocketAddr,
    ) -> Result<RunningTransfer> {
        let process = self.measure("tcp-stream", &GENTLE_TRANSFER, machine, label, source, target)?;
        Ok(RunningTransfer { process })
    }

    fn measure(
        &self,
        program: &str,
        pace: &[&str],
        machine: &str,
        label: &str,
        source: Ipv4Addr,
        target: SocketAddr,
    ) -> Result<Process> {
        let (source, target) = (source.to_string(), target.to_string());
        let arguments = [program, "--source", &source, "--target", &target].into_iter();
        let arguments: Vec<&str> = arguments.chain(pace.iter().filter(|_| setting().emulated).copied()).collect();
        self.spawn(machine, label, self.programs.lab(), &arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_what_overlaps_it() {
        let events = [
            ProbeEvent::Gap { from: 0, to: 10 },
            ProbeEvent::Gap { from: 90, to: 140 },
            ProbeEvent::Gap { from: 195, to: 260 },
            ProbeEvent::Gap { from: 300, to: 900 },
            ProbeEvent::Lost { sent_at: 99 },
            ProbeEvent::Lost { sent_at: 100 },
            ProbeEvent::Lost { sent_at: 200 },
            ProbeEvent::OwnStall { from: 150, to: 157 },
        ];
        assert_eq!(window(&events, 100, 200), Window { longest_gap: 65, lost: 1, own_stall: 7 });
    }
}
