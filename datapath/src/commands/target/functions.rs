use std::collections::BTreeMap;

use twinrail_proto::rail::command::CommandNumber;

use crate::commands::MAX_FUNCTIONS;
use crate::scsi::{Lun, TaskAnswer, TaskManagement};

/// The task management functions of one agent: as with commands, each number acts once.
#[derive(Debug, Default)]
pub struct Functions {
    all: BTreeMap<u64, Managing>,
    received_up_to: u64,
    acknowledged: u64,
}

#[derive(Debug)]
pub enum Managing {
    /// The SAN's session takes no more now: nothing that came later goes before it.
    Waiting(Asked),
    Running(Asked),
    Answered(TaskAnswer),
}

/// A function and what it is to end.
#[derive(Clone, Debug)]
pub struct Asked {
    /// With the SAN's own tag where it is about one command.
    pub request: TaskManagement,
    /// Commands that never went to the SAN: they are out of the queue already.
    pub dropped: Vec<CommandNumber>,
    /// Commands that the SAN has.
    pub running: Vec<CommandNumber>,
}

impl Functions {
    pub fn get(&self, number: u64) -> Option<&Managing> {
        self.all.get(&number)
    }

    /// Whether an agent that keeps order and limits could send it now.
    pub fn admits(&self, number: u64) -> bool {
        number > self.received_up_to && self.all.len() < MAX_FUNCTIONS
    }

    pub fn set(&mut self, number: u64, state: Managing) {
        self.received_up_to = self.received_up_to.max(number);
        self.all.insert(number, state);
    }

    /// The first that the SAN has not been asked for, of those whose LUN `may` be managed.
    pub fn first_waiting(&self, may: impl Fn(Lun) -> bool) -> Option<(u64, Asked)> {
        self.all.iter().find_map(|(&number, it)| match it {
            Managing::Waiting(asked) if may(asked.request.lun) => Some((number, asked.clone())),
            Managing::Waiting(_) | Managing::Running(_) | Managing::Answered(_) => None,
        })
    }

    /// The agent waits for none up to this one: it has the answer, or has given up waiting.
    pub fn acknowledge(&mut self, number: u64) {
        self.acknowledged = self.acknowledged.max(number);
        self.received_up_to = self.received_up_to.max(number);
        self.all.retain(|&it, state| it > number || !matches!(state, Managing::Answered(_)));
    }

    /// Puts the answer in the place of the function, as long as the agent waits for it. Gives what it was to end, and
    /// whether the agent waits.
    pub fn finish(&mut self, number: u64, answer: TaskAnswer) -> Option<(Asked, bool)> {
        let Some(Managing::Running(asked)) = self.all.remove(&number) else { return None };
        let awaited = number > self.acknowledged;
        if awaited {
            self.all.insert(number, Managing::Answered(answer));
        }
        Some((asked, awaited))
    }
}
