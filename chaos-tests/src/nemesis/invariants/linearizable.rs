//! Reads and writes of the API are linearizable, register by register.

use std::collections::BTreeMap;

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;
use crate::nemesis::history::{Answer, Operation};
use crate::nemesis::linear;

pub struct Linearizable;

impl Invariant for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn means(&self) -> &'static str {
        "every answer of the API, whichever director gave it, is one that a single register could give at some moment between the \
         call and the answer; an operation of unknown outcome stays unknown"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut registers: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
        for it in &seen.history {
            registers.entry(&it.register).or_default().push(it.clone());
        }
        let violations: Vec<Violation> = registers.iter().filter_map(|(name, history)| wrong(name, history)).collect();
        let unknown = seen.history.iter().filter(|it| it.answer == Answer::Unknown).count();
        let (operations, count) = (seen.history.len(), registers.len());
        let looked_at = format!("{operations} operations on {count} registers, {unknown} of unknown outcome");
        Finding::new(looked_at, operations > unknown, violations)
    }
}

fn wrong(register: &str, history: &[Operation]) -> Option<Violation> {
    let wrong = linear::check(history).err()?;
    let linear::Contradiction { explained, value, stuck } = *wrong;
    let what = format!(
        "{register}: {explained} operations are explained and leave {value:?}; then {} answered {:?} with {:?}",
        stuck.director, stuck.act, stuck.answer
    );
    Some(Violation::at(stuck.to, what))
}
