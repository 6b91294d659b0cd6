use std::collections::BTreeMap;

use bytes::Bytes;
use twinrail_proto::rail::command::{Answer, CommandNumber, Credits};

use crate::san::Tag;
use crate::scsi::{Command, Lun, Response};

use crate::commands::words;

/// What is known of the commands of one agent: every number that was received, until its answer is acknowledged.
///
/// ```text
///   (unknown) ── received ──▶ waiting ── handed to the SAN ──▶ running ── completed ──▶ answered ── acknowledged ──▶ (gone)
///                                └───────── ended by a function ──▶ ended ◀────┘                        ▲
///                                                                     └──────────── acknowledged ───────┘
/// ```
#[derive(Debug, Default)]
pub struct Executions {
    all: BTreeMap<CommandNumber, Execution>,
    octets: u64,
    received_up_to: CommandNumber,
    acknowledged: CommandNumber,
}

#[derive(Debug)]
struct Execution {
    lun: Lun,
    cost: u64,
    state: State,
}

#[derive(Debug)]
pub enum State {
    Waiting(Command),
    Running(Tag),
    Answered(Answer, Bytes),
    /// By a task management function: there is no answer.
    Ended,
}

/// What a number that came means.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    New,
    /// It was received before.
    Again,
    /// No agent that keeps the order would send it.
    OutOfOrder,
    BeyondCredit,
}

impl Executions {
    pub fn arrival(&self, number: CommandNumber, cost: u64, credits: Credits) -> Arrival {
        if self.all.contains_key(&number) {
            return Arrival::Again;
        }
        if number <= self.received_up_to || number <= self.acknowledged {
            return Arrival::OutOfOrder;
        }
        let room = self.all.len() < credits.commands as usize && self.octets + cost <= credits.octets;
        if room { Arrival::New } else { Arrival::BeyondCredit }
    }

    pub fn insert(&mut self, number: CommandNumber, lun: Lun, cost: u64, state: State) {
        self.received_up_to = number;
        self.octets += cost;
        self.all.insert(number, Execution { lun, cost, state });
    }

    pub fn state(&self, number: CommandNumber) -> Option<&State> {
        self.all.get(&number).map(|it| &it.state)
    }

    /// Puts an execution into another state. Gives the former one; None: the number is not known (any more).
    pub fn replace(&mut self, number: CommandNumber, state: State) -> Option<State> {
        self.all.get_mut(&number).map(|it| std::mem::replace(&mut it.state, state))
    }

    /// The command has ended. False: nobody waits for that (any more).
    pub fn answer(&mut self, number: CommandNumber, response: Response) -> bool {
        let answer = words::answer_to_wire(number, &response);
        self.replace(number, State::Answered(answer, response.data_in)).is_some()
    }

    /// The answers up to this one are had.
    pub fn acknowledge(&mut self, number: CommandNumber) {
        self.acknowledged = self.acknowledged.max(number);
        while let Some(first) = self.all.first_entry().filter(|it| *it.key() <= number) {
            self.octets -= first.remove().cost;
        }
    }

    /// Whether an agent can have the answers of all up to this one.
    pub fn all_answered_up_to(&self, number: CommandNumber) -> bool {
        let mut named = self.all.range(..=number).map(|(_, it)| &it.state);
        number <= self.received_up_to.max(self.acknowledged)
            && named.all(|it| matches!(it, State::Answered(..) | State::Ended))
    }

    /// Those at this LUN that have not ended.
    pub fn unfinished(&self, lun: Lun) -> Vec<CommandNumber> {
        let going = |it: &Execution| it.lun == lun && matches!(it.state, State::Waiting(_) | State::Running(_));
        self.all.iter().filter(|(_, it)| going(it)).map(|(&number, _)| number).collect()
    }

    /// How many are held, and with how many octets.
    pub fn held(&self) -> (usize, u64) {
        (self.all.len(), self.octets)
    }
}
