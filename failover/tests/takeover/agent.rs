//! The initiator and its agent: one write at a time to each block, each kept until it is answered by the home that the agent
//! follows.

use std::collections::BTreeMap;

use crate::array::{Command, lun};

pub const BLOCKS: usize = 6;

#[derive(Debug, Default)]
pub struct Agent {
    /// The home and the epoch that it follows.
    pub follows: Option<(usize, u64)>,
    pub unanswered: BTreeMap<u64, Command>,
    issued: u64,
    /// The newest write of each block that was answered.
    acknowledged: [u64; BLOCKS],
    pub answered: u64,
}

/// What an agent says to a home, in order.
#[derive(Clone, Debug)]
pub enum Say {
    /// From now on it follows this home; these commands may have been sent by homes before.
    Attach {
        epoch: u64,
        unanswered: Vec<Command>,
    },
    New {
        epoch: u64,
        command: Command,
    },
}

impl Say {
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Attach { epoch, .. } | Self::New { epoch, .. } => *epoch,
        }
    }
}

impl Agent {
    pub fn follow(&mut self, home: usize, epoch: u64) -> Say {
        self.follows = Some((home, epoch));
        Say::Attach { epoch, unanswered: self.unanswered.values().copied().collect() }
    }

    /// A new write to a block that has none in flight. Blocks of odd numbers are on LUN 2.
    pub fn issue(&mut self, which: usize, idempotent: bool) -> Option<(usize, Say)> {
        let (home, epoch) = self.follows?;
        let block = which % BLOCKS;
        if self.unanswered.values().any(|it| it.block == block) {
            return None;
        }
        self.issued += 1;
        let command = Command { order: self.issued, lun: lun(1 + block as u8 % 2), block, idempotent };
        self.unanswered.insert(command.order, command);
        Some((home, Say::New { epoch, command }))
    }

    /// A home answered, or left the decision to the initiator, who goes on with the next write.
    pub fn on_answer(&mut self, home: usize, epoch: u64, order: u64, written: bool) {
        if self.follows != Some((home, epoch)) {
            return;
        }
        if let Some(command) = self.unanswered.remove(&order)
            && written
        {
            self.acknowledged[command.block] = self.acknowledged[command.block].max(order);
            self.answered += 1;
        }
    }

    /// Whether executing this write now undoes one that was acknowledged.
    pub fn is_stale(&self, command: &Command) -> bool {
        command.order < self.acknowledged[command.block]
    }
}
