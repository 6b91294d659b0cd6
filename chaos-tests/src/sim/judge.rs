//! Watches a world: gives everything that is seen to every invariant, keeps the first violation, and folds all that happens
//! into one number, by which two runs of a seed are compared.

use super::invariants::{self, Invariant};
use super::observation::Observation;
use super::queue::{MILLI, Nanos};

/// An invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub invariant: &'static str,
    pub at: Nanos,
    pub detail: String,
}

pub struct Judge {
    invariants: Vec<Box<dyn Invariant>>,
    /// Only this one counts.
    only: Option<&'static str>,
    pub finding: Option<Finding>,
    /// The highest index that any director has applied.
    pub committed: u64,
    trace: u64,
    lines: Option<Vec<String>>,
}

impl Judge {
    pub fn new(only: Option<&'static str>, with_lines: bool) -> Self {
        Self {
            invariants: invariants::all(),
            only,
            finding: None,
            committed: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            lines: with_lines.then(Vec::new),
        }
    }

    pub fn observe(&mut self, at: Nanos, observation: &Observation<'_>) {
        if let Some(lines) = &mut self.lines
            && !matches!(observation, Observation::LeaseEnded { .. } | Observation::Acted { .. })
        {
            let said = match observation {
                Observation::Committed { index, applied, .. } => {
                    let keys = applied.iter().flat_map(|it| &it.events).map(|it| it.key.to_string());
                    format!("committed {index}: {}", keys.collect::<Vec<_>>().join(", "))
                }
                other => format!("{other:?}"),
            };
            lines.push(line(at, &said));
        }
        for invariant in &mut self.invariants {
            if let Err(detail) = invariant.observe(at, observation) {
                let name = invariant.name();
                self.found(at, name, detail);
                return;
            }
        }
    }

    pub fn tolerated(&self) -> u64 {
        self.invariants.iter().map(|it| it.tolerated()).sum()
    }

    /// The end of the run: what can only be said then.
    pub fn finish(&mut self, at: Nanos) {
        let mut found = None;
        for invariant in &mut self.invariants {
            if let Err(detail) = invariant.finish() {
                found.get_or_insert((invariant.name(), detail));
            }
        }
        if let Some((name, detail)) = found {
            self.found(at, name, detail);
        }
    }

    pub fn found(&mut self, at: Nanos, invariant: &'static str, detail: String) {
        if self.finding.is_none() && self.only.is_none_or(|it| it == invariant) {
            self.note(at, &format!("VIOLATION {invariant}: {detail}"));
            self.finding = Some(Finding { invariant, at, detail });
        }
    }

    /// Something happened: it becomes part of the trace.
    pub fn fold(&mut self, numbers: [u64; 3]) {
        for number in numbers {
            self.trace = (self.trace ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        }
    }

    pub fn trace(&self) -> u64 {
        self.trace
    }

    pub fn note(&mut self, at: Nanos, said: &str) {
        if let Some(lines) = &mut self.lines {
            lines.push(line(at, said));
        }
    }

    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

fn line(at: Nanos, said: &str) -> String {
    format!("{:>9.3} ms  {said}", at as f64 / MILLI as f64)
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("finding", &self.finding).field("committed", &self.committed).finish()
    }
}
