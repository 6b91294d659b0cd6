//! Whether one register's history is linearizable (Wing and Gong; Lowe's memory of what was tried). Pure.
//!
//! Each operation must seem to take effect at one moment between its call and its answer. One of unknown outcome may take effect at
//! any moment after its call, or never. Since every value is written once, an unknown write whose value nobody saw is left out: it is
//! as if it never happened.
//!
//! ```text
//!   candidates: operations that were called before the first answer that is still to be explained
//!        └── take one that fits the register's value ──▶ next state; none fits: go back one and take another
//! ```

use std::collections::{BTreeSet, HashSet};

use super::history::{Act, Answer, Operation, Value};
use crate::measure::clock::Nanos;

/// Operations that cannot be put in any order, in the best order that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// So many could be explained, and with this value after them.
    pub explained: usize,
    pub value: Option<Value>,
    /// The first answer that nothing explains.
    pub stuck: Operation,
}

/// Looks at the operations on one register, in any order. The register is absent at first.
pub fn check(history: &[Operation]) -> Result<(), Box<Contradiction>> {
    let operations = relevant(history);
    Search::new(&operations).run()
}

/// Reads without an answer say nothing; neither do unknown writes that nobody saw.
fn relevant(history: &[Operation]) -> Vec<Operation> {
    let seen: BTreeSet<Value> = history.iter().filter_map(seen_value).collect();
    let says = |it: &&Operation| match (it.act, it.answer) {
        (Act::Read, answer) => answer != Answer::Unknown,
        (Act::Create(_), _) => true,
        (_, Answer::Unknown) => it.writes().is_some_and(|value| seen.contains(&value)),
        _ => true,
    };
    let mut operations: Vec<Operation> = history.iter().filter(says).cloned().collect();
    operations.sort_by_key(|it| it.from);
    operations
}

fn seen_value(operation: &Operation) -> Option<Value> {
    match (operation.act, operation.answer) {
        (Act::Read, Answer::Found(found)) => found,
        // It was read before it was to be swapped.
        (Act::Swap { from, .. }, Answer::Done | Answer::Unknown) => Some(from),
        _ => None,
    }
}

/// When its answer came: what is unknown waits for ever.
fn end(operation: &Operation) -> Nanos {
    if operation.answer == Answer::Unknown { Nanos::MAX } else { operation.to }
}

/// One operation that was taken, and what else might have been.
struct Choice {
    taken: usize,
    before: Option<Value>,
    others: Vec<usize>,
}

struct Search<'a> {
    operations: &'a [Operation],
    taken: Bits,
    /// All before this are taken.
    first_open: usize,
    state: Option<Value>,
    tried: HashSet<(Bits, Option<Value>)>,
    best: usize,
    best_state: (Bits, Option<Value>),
}

type Bits = Vec<u64>;

impl<'a> Search<'a> {
    fn new(operations: &'a [Operation]) -> Self {
        let taken = vec![0; operations.len().div_ceil(64)];
        let best_state = (taken.clone(), None);
        Self { operations, taken, first_open: 0, state: None, tried: HashSet::new(), best: 0, best_state }
    }

    fn run(mut self) -> Result<(), Box<Contradiction>> {
        let mut path: Vec<Choice> = Vec::new();
        let mut candidates = self.candidates();
        loop {
            if self.all_explained() {
                return Ok(());
            }
            if let Some(index) = candidates.pop() {
                if let Some(after) = self.operations[index].apply(self.state) {
                    let before = self.state;
                    self.take(index, after);
                    if self.tried.insert((self.taken.clone(), self.state)) {
                        path.push(Choice { taken: index, before, others: candidates });
                        self.note_best(path.len());
                        candidates = self.candidates();
                    } else {
                        self.give_back(index, before);
                    }
                }
                continue;
            }
            let Some(last) = path.pop() else { return Err(Box::new(self.contradiction())) };
            self.give_back(last.taken, last.before);
            candidates = last.others;
        }
    }

    /// Open operations that were called before the first answer of any open one; the earliest answer last, which is tried first.
    fn candidates(&self) -> Vec<usize> {
        let open = || (self.first_open..self.operations.len()).filter(|it| !self.is_taken(*it));
        let mut first_end = Nanos::MAX;
        for index in open() {
            if self.operations[index].from > first_end {
                break;
            }
            first_end = first_end.min(end(&self.operations[index]));
        }
        let mut found: Vec<usize> = open().take_while(|it| self.operations[*it].from <= first_end).collect();
        found.sort_by_key(|it| std::cmp::Reverse(end(&self.operations[*it])));
        found
    }

    fn all_explained(&self) -> bool {
        let mut open = (self.first_open..self.operations.len()).filter(|it| !self.is_taken(*it));
        open.all(|it| self.operations[it].answer == Answer::Unknown)
    }

    fn is_taken(&self, index: usize) -> bool {
        self.taken[index / 64] >> (index % 64) & 1 == 1
    }

    fn take(&mut self, index: usize, after: Option<Value>) {
        self.taken[index / 64] |= 1 << (index % 64);
        self.state = after;
        while self.first_open < self.operations.len() && self.is_taken(self.first_open) {
            self.first_open += 1;
        }
    }

    fn give_back(&mut self, index: usize, before: Option<Value>) {
        self.taken[index / 64] &= !(1 << (index % 64));
        self.state = before;
        self.first_open = self.first_open.min(index);
    }

    fn note_best(&mut self, length: usize) {
        if length > self.best {
            self.best = length;
            self.best_state = (self.taken.clone(), self.state);
        }
    }

    fn contradiction(mut self) -> Contradiction {
        (self.taken, self.state) = self.best_state.clone();
        self.first_open = 0;
        let open = (0..self.operations.len()).filter(|it| !self.is_taken(*it));
        let stuck = open.min_by_key(|it| end(&self.operations[*it])).unwrap_or_default();
        Contradiction { explained: self.best, value: self.state, stuck: self.operations[stuck].clone() }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn operation(act: Act, answer: Answer, from: Nanos, to: Nanos) -> Operation {
        let (director, register) = ("d1".to_owned(), "r".to_owned());
        Operation { director, register, act, answer, from, to, revision: None }
    }

    fn wrote(value: Value, from: Nanos, to: Nanos) -> Operation {
        operation(Act::Write(value), Answer::Done, from, to)
    }

    fn found(value: Value, from: Nanos, to: Nanos) -> Operation {
        operation(Act::Read, Answer::Found(Some(value)), from, to)
    }

    fn history(rest: &[Operation]) -> Vec<Operation> {
        [&[operation(Act::Create(1), Answer::Done, 0, 1)], rest].concat()
    }

    #[test]
    fn a_read_between_or_beside_writes_is_explained() {
        assert_eq!(check(&history(&[wrote(2, 2, 9), found(1, 3, 4), found(2, 5, 6), found(2, 10, 11)])), Ok(()));
        assert_eq!(check(&[operation(Act::Read, Answer::Found(None), 0, 1)]), Ok(()));
    }

    #[test]
    fn a_stale_read_is_found() {
        let stale = history(&[wrote(2, 2, 3), found(1, 4, 5)]);
        let wrong = check(&stale).unwrap_err();
        assert_eq!((wrong.stuck.clone(), wrong.value, wrong.explained), (found(1, 4, 5), Some(2), 2));
        assert!(check(&history(&[wrote(2, 2, 9), found(2, 3, 4), found(1, 5, 6)])).is_err(), "it went back");
        assert!(check(&history(&[operation(Act::Read, Answer::Found(None), 2, 3)])).is_err(), "it is gone");
        assert!(check(&history(&[found(9, 2, 3)])).is_err(), "nobody wrote it");
    }

    #[test]
    fn an_unknown_write_takes_effect_late_or_never_but_not_both() {
        let unknown = operation(Act::Write(2), Answer::Unknown, 2, 3);
        for rest in [vec![found(1, 4, 5)], vec![found(1, 4, 5), found(2, 6, 7)], vec![found(2, 4, 5)]] {
            assert_eq!(check(&history(&[vec![unknown.clone()], rest].concat())), Ok(()));
        }
        assert!(check(&history(&[unknown.clone(), found(2, 4, 5), found(1, 6, 7)])).is_err());
        assert!(check(&history(&[found(2, 0, 1), unknown])).is_err(), "seen before it was sent");
    }

    #[test]
    fn a_swap_is_of_what_was_read() {
        let swap = |answer| operation(Act::Swap { from: 1, to: 3 }, answer, 4, 5);
        assert_eq!(check(&history(&[swap(Answer::Done), found(3, 6, 7)])), Ok(()));
        assert!(check(&history(&[wrote(2, 2, 3), swap(Answer::Done)])).is_err(), "it had changed");
        assert_eq!(check(&history(&[wrote(2, 2, 3), swap(Answer::Refused)])), Ok(()));
        assert!(check(&history(&[swap(Answer::Refused)])).is_err(), "it had not changed");
    }

    /// Many clients on a true register are explained, and a single value exchanged is not.
    #[test]
    fn long_histories_are_decided_and_a_single_wrong_answer_is_found() {
        let mut random = SmallRng::seed_from_u64(1);
        let (mut all, mut value) = (history(&[]), 1);
        for number in 0..2_000 {
            let at = 10 + number * 10;
            let (from, to) = (at - random.random_range(0..30).min(at - 2), at + random.random_range(1..30));
            if random.random_bool(0.5) {
                value = number as Value + 2;
                // Some answers are lost.
                let answer = if random.random_bool(0.1) { Answer::Unknown } else { Answer::Done };
                all.push(operation(Act::Write(value), answer, from, to));
            } else {
                all.push(found(value, from, to));
            }
        }
        assert_eq!(check(&all), Ok(()));
        let late = all.iter().rposition(|it| it.act == Act::Read).unwrap();
        all[late].answer = Answer::Found(Some(1));
        assert!(check(&all).is_err());
    }
}
