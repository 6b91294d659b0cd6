//! What the API acknowledged is there at the end, and acknowledged changes stand in one order that agrees with time.

use std::collections::BTreeMap;

use super::{Finding, Invariant, Violation};
use crate::measure::clock::Nanos;
use crate::nemesis::evidence::Evidence;
use crate::nemesis::history::{Act, Answer, Operation};

pub struct AcknowledgedWrites;

impl Invariant for AcknowledgedWrites {
    fn name(&self) -> &'static str {
        "acknowledged-writes"
    }

    fn means(&self) -> &'static str {
        "what the API acknowledged is there at the end, each acknowledged change has a revision of its own, and a change that was \
         sent after another was acknowledged has a later one"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let mut done: Vec<&Operation> = seen.history.iter().filter(|it| it.answer == Answer::Done).collect();
        done.sort_by_key(|it| it.from);
        let violations = [gone(&seen.history), doubled(&done), backwards(&done)].concat();
        let looked_at = format!("{} acknowledged changes", done.len());
        Finding::new(looked_at, !done.is_empty(), violations)
    }
}

/// Registers that were acknowledged, and are not there at the last look.
fn gone(history: &[Operation]) -> Vec<Violation> {
    let mut last: BTreeMap<&str, &Operation> = BTreeMap::new();
    for it in history.iter().filter(|it| matches!((it.act, it.answer), (Act::Read, Answer::Found(_)))) {
        let kept = last.entry(&it.register).or_insert(it);
        if it.from > kept.from {
            *kept = it;
        }
    }
    let acknowledged = history.iter().filter(|it| it.answer == Answer::Done);
    let mut gone: Vec<&str> = acknowledged
        .filter(|it| {
            last.get(it.register.as_str()).is_some_and(|read| read.from > it.to && read.answer == Answer::Found(None))
        })
        .map(|it| it.register.as_str())
        .collect();
    gone.dedup();
    gone.into_iter().map(|it| Violation::sometime(format!("{it} was acknowledged and is gone"))).collect()
}

/// Two changes that were both acknowledged as the same one.
fn doubled(done: &[&Operation]) -> Vec<Violation> {
    let mut by_revision: BTreeMap<u64, &Operation> = BTreeMap::new();
    let mut violations = Vec::new();
    for it in done {
        let Some(revision) = it.revision else { continue };
        if let Some(other) = by_revision.insert(revision, it) {
            let what = format!(
                "revision {revision} is {:?} of {} and {:?} of {}",
                other.act, other.register, it.act, it.register
            );
            violations.push(Violation::at(it.to, what));
        }
    }
    violations
}

/// Changes that were sent when a later revision was acknowledged already.
fn backwards(done: &[&Operation]) -> Vec<Violation> {
    let mut ended: Vec<(Nanos, u64)> = done.iter().filter_map(|it| Some((it.to, it.revision?))).collect();
    ended.sort_unstable();
    let (mut next, mut highest, mut violations) = (0, 0, Vec::new());
    for it in done {
        while let Some((_, revision)) = ended.get(next).filter(|end| end.0 < it.from) {
            highest = highest.max(*revision);
            next += 1;
        }
        if let Some(revision) = it.revision.filter(|it| *it <= highest) {
            let what = format!(
                "{:?} of {} has revision {revision}, and {highest} was acknowledged before",
                it.act, it.register
            );
            violations.push(Violation::at(it.to, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(act: Act, revision: u64, from: Nanos, to: Nanos) -> Operation {
        let (director, register) = ("d1".to_owned(), "r".to_owned());
        Operation { director, register, act, answer: Answer::Done, from, to, revision: Some(revision) }
    }

    fn judge(history: Vec<Operation>) -> Vec<String> {
        let found = AcknowledgedWrites.judge(&Evidence { history, ..Evidence::default() });
        found.violations.into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn what_is_gone_or_out_of_order_is_found() {
        let well = vec![done(Act::Create(1), 5, 0, 1), done(Act::Write(2), 7, 2, 9), done(Act::Write(3), 6, 3, 4)];
        assert_eq!(judge(well.clone()), Vec::<String>::new());
        let late = done(Act::Write(4), 4, 5, 6);
        assert!(
            judge([well.clone(), vec![late]].concat())[0].contains("has revision 4, and 6 was acknowledged before")
        );
        let double = done(Act::Write(4), 7, 2, 6);
        assert!(judge([well.clone(), vec![double]].concat())[0].contains("revision 7 is"));
        let read = Operation { act: Act::Read, answer: Answer::Found(None), ..done(Act::Read, 0, 10, 11) };
        assert!(judge([well, vec![read]].concat())[0].contains("is gone"));
    }
}
