//! Each register behaves as though every call happened at one moment between its beginning and its end. Calls of unknown outcome
//! may have happened at any moment since they began, or never. Registers are judged one by one (Herlihy and Wing 1990: that is
//! enough), by the nemesis's checker.

use std::collections::BTreeMap;

use super::Invariant;
use crate::nemesis::history::{Act, Answer, Operation};
use crate::nemesis::linear::{self, Contradiction};
use crate::sim::observation::{CallEnd, CallKind, Observation};
use crate::sim::queue::Nanos;

/// Values of the registers before anybody wrote to them.
const INITIAL: u32 = 1;

#[derive(Debug, Default)]
pub struct Linearizable {
    under_way: BTreeMap<(u8, u64), (usize, Operation)>,
    registers: BTreeMap<usize, Vec<Operation>>,
}

impl Invariant for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::CallBegan { client, number, what } => {
                let (register, act) = match *what {
                    CallKind::Write { register, value } => (register, Act::Write(value)),
                    CallKind::Read { register } => (register, Act::Read),
                    CallKind::Change { .. } => return Ok(()),
                };
                let call = operation(format!("client {client}"), register, act, Answer::Unknown, at..at);
                self.under_way.insert((*client, *number), (register, call));
            }
            Observation::CallEnded { client, number, end } => {
                let Some((register, call)) = self.under_way.remove(&(*client, *number)) else { return Ok(()) };
                let answer = match end {
                    CallEnd::Done { .. } => Answer::Done,
                    CallEnd::Value(value) => Answer::Found(*value),
                    CallEnd::Rejected => return Ok(()),
                    CallEnd::Unknown => Answer::Unknown,
                };
                self.history(register).push(Operation { answer, to: at, ..call });
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        for (register, call) in std::mem::take(&mut self.under_way).into_values() {
            self.history(register).push(call);
        }
        for (register, history) in &self.registers {
            if let Err(wrong) = linear::check(history) {
                let Contradiction { explained, value, stuck } = *wrong;
                let all = history.len();
                return Err(format!(
                    "register r{register}: {explained} of its {all} calls are explained and leave {value:?}; not {stuck:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Linearizable {
    fn history(&mut self, register: usize) -> &mut Vec<Operation> {
        let made = || vec![operation("set-up".to_owned(), register, Act::Create(INITIAL), Answer::Done, 0..0)];
        self.registers.entry(register).or_insert_with(made)
    }
}

fn operation(who: String, register: usize, act: Act, answer: Answer, time: std::ops::Range<Nanos>) -> Operation {
    let register = format!("r{register}");
    Operation { director: who, register, act, answer, from: time.start, to: time.end, revision: None }
}
