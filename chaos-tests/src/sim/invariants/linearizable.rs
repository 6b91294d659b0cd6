//! Each register behaves as though every call happened at one moment between its beginning and its end. Calls of unknown outcome
//! may have happened at any moment since they began, or never. Registers are judged one by one (Herlihy and Wing 1990: that is
//! enough), each by the search of Wing and Gong with the memory of Lowe.

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::sim::observation::{CallEnd, CallKind, Observation};
use crate::sim::queue::Nanos;

/// Steps of one search: a history that needs more is not judged.
const MAX_STEPS: usize = 300_000;

#[derive(Debug, Default)]
pub struct Linearizable {
    under_way: BTreeMap<(u8, u64), Call>,
    registers: BTreeMap<usize, Vec<Call>>,
}

#[derive(Clone, Debug)]
struct Call {
    register: usize,
    /// None: a read.
    write: Option<u32>,
    /// What a read gave.
    read: Option<u32>,
    began: Nanos,
    /// None: never, as far as anybody knows.
    ended: Option<Nanos>,
}

impl Invariant for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::CallBegan { client, number, what } => {
                let (register, write) = match *what {
                    CallKind::Write { register, value } => (register, Some(value)),
                    CallKind::Read { register } => (register, None),
                    CallKind::Change { .. } => return Ok(()),
                };
                let call = Call { register, write, read: None, began: at, ended: None };
                self.under_way.insert((*client, *number), call);
            }
            Observation::CallEnded { client, number, end } => {
                let Some(mut call) = self.under_way.remove(&(*client, *number)) else { return Ok(()) };
                match end {
                    CallEnd::Done { .. } => call.ended = Some(at),
                    CallEnd::Value(value) => (call.read, call.ended) = (*value, Some(at)),
                    CallEnd::Rejected => return Ok(()),
                    CallEnd::Unknown if call.write.is_none() => return Ok(()),
                    CallEnd::Unknown => {}
                }
                self.registers.entry(call.register).or_default().push(call);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        for (_, call) in std::mem::take(&mut self.under_way) {
            if call.write.is_some() {
                self.registers.entry(call.register).or_default().push(call);
            }
        }
        for (register, calls) in &self.registers {
            if let Err(stuck) = judge(calls) {
                return Err(format!(
                    "register r{register}: no order of its {} calls explains them; {stuck}",
                    calls.len()
                ));
            }
        }
        Ok(())
    }
}

/// Values of the register before anybody wrote it.
const INITIAL: u32 = 1;

fn judge(calls: &[Call]) -> Result<(), String> {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|it| it.began);
    let mut search = Search { calls: &calls, seen: BTreeSet::new(), steps: 0, best: 0 };
    let done = vec![0; calls.len().div_ceil(64)];
    if search.run(done, INITIAL, 0) || search.steps >= MAX_STEPS {
        return Ok(());
    }
    let from = search.best.saturating_sub(2);
    let around: Vec<String> = calls.iter().skip(from).take(6).map(|it| format!("{it:?}")).collect();
    Err(format!("stuck near {}", around.join(", ")))
}

struct Search<'a> {
    calls: &'a [Call],
    seen: BTreeSet<(Vec<u64>, u32)>,
    steps: usize,
    /// All calls before this one were placed once.
    best: usize,
}

impl Search<'_> {
    /// `first`: all calls before it have happened.
    fn run(&mut self, done: Vec<u64>, value: u32, mut first: usize) -> bool {
        let happened = |done: &[u64], it: usize| done[it / 64] & 1 << (it % 64) != 0;
        while first < self.calls.len() && happened(&done, first) {
            first += 1;
        }
        self.best = self.best.max(first);
        let left = || (first..self.calls.len()).filter(|&it| !happened(&done, it));
        // Who ends first must not be preceded by one that began after that.
        let Some(limit) = left().filter_map(|it| self.calls[it].ended).min() else { return true };
        self.steps += 1;
        if self.steps >= MAX_STEPS || !self.seen.insert((done.clone(), value)) {
            return false;
        }
        let candidates: Vec<usize> = left().take_while(|&it| self.calls[it].began <= limit).collect();
        for it in candidates {
            let call = &self.calls[it];
            let next = match call.write {
                Some(written) => written,
                None if call.read == Some(value) => value,
                None => continue,
            };
            let mut done = done.clone();
            done[it / 64] |= 1 << (it % 64);
            if self.run(done, next, first) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(value: u32, began: Nanos, ended: Option<Nanos>) -> Call {
        Call { register: 0, write: Some(value), read: None, began, ended }
    }

    fn read(value: u32, began: Nanos, ended: Nanos) -> Call {
        Call { register: 0, write: None, read: Some(value), began, ended: Some(ended) }
    }

    #[test]
    fn a_read_that_follows_sees_what_was_acknowledged() {
        assert!(judge(&[write(5, 0, Some(10)), read(5, 20, 30)]).is_ok());
        assert!(judge(&[write(5, 0, Some(10)), read(1, 20, 30)]).is_err(), "stale");
        assert!(judge(&[write(5, 0, Some(25)), read(1, 20, 30)]).is_ok(), "at the same time");
        assert!(judge(&[read(9, 20, 30)]).is_err(), "never written");
    }

    #[test]
    fn an_unknown_outcome_may_come_late_or_never_and_once() {
        let unknown = write(5, 0, None);
        assert!(judge(&[unknown.clone(), read(1, 10, 20)]).is_ok());
        assert!(judge(&[unknown.clone(), read(1, 10, 20), read(5, 30, 40)]).is_ok());
        let twice = [unknown, read(5, 10, 20), write(6, 30, Some(40)), read(6, 50, 60), read(5, 70, 80)];
        assert!(judge(&twice).is_err());
    }

    #[test]
    fn two_readers_agree_on_the_order() {
        let writes = [write(5, 0, Some(100)), write(6, 0, Some(100))];
        let agree = [read(5, 110, 120), read(5, 130, 140)];
        let differ = [read(5, 110, 120), read(6, 130, 140)];
        assert!(judge(&[writes.clone(), agree].concat()).is_ok());
        assert!(judge(&[writes, differ].concat()).is_err());
    }
}
