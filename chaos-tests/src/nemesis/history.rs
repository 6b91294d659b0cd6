//! What API clients did to registers and how it was answered: what the checker of linearizability reads. Pure.
//!
//! A register is a QoS policy, its value one of its numbers. Every value is written once in a run, so what a read gives names the write
//! that it saw.

use crate::measure::clock::Nanos;

pub type Value = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Create(Value),
    Write(Value),
    /// Writes if the register still is as it was when this value was read from it (its etag).
    Swap {
        from: Value,
        to: Value,
    },
    Read,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A change that was acknowledged.
    Done,
    /// A read's answer; None: there is no such register.
    Found(Option<Value>),
    /// A change that was refused because the register is not as it should be: it is there already, it is not there, it changed.
    Refused,
    /// It took effect or not, or will.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The director that was asked.
    pub director: String,
    pub register: String,
    pub act: Act,
    pub answer: Answer,
    pub from: Nanos,
    pub to: Nanos,
    /// Where an acknowledged change is in the one order of all changes.
    pub revision: Option<u64>,
}

impl Operation {
    /// What it writes if it takes effect.
    pub fn writes(&self) -> Option<Value> {
        match self.act {
            Act::Create(value) | Act::Write(value) | Act::Swap { to: value, .. } => Some(value),
            Act::Read => None,
        }
    }

    /// What the register is after it, if it may be the next where the register is so; None: it may not.
    pub fn apply(&self, state: Option<Value>) -> Option<Option<Value>> {
        match (self.act, self.answer) {
            (Act::Read, Answer::Found(found)) => (found == state).then_some(state),
            (Act::Read, _) => Some(state),
            (Act::Create(value), Answer::Refused) => (state.is_some() && state != Some(value)).then_some(state),
            (Act::Create(value), _) => state.is_none().then_some(Some(value)),
            (Act::Write(_), Answer::Refused) => state.is_none().then_some(state),
            (Act::Write(value), _) => state.is_some().then_some(Some(value)),
            (Act::Swap { from, .. }, Answer::Refused) => (state != Some(from)).then_some(state),
            (Act::Swap { from, to }, _) => (state == Some(from)).then_some(Some(to)),
        }
    }
}
