use std::collections::VecDeque;

use bytes::Bytes;

use crate::san::Tag;
use crate::san::iscsi::pdu::Serial;
use crate::scsi::{Command, Lun, TaskManagement};

/// Tasks in flight at once. Far more than the window of any array; a director's share of memory bounds it.
const MOST_TASKS: usize = 1024;

/// Kept free for task management, pings and the logout, when commands fill the rest.
const FOR_OTHERS: usize = 32;

/// Tags of ended commands that are remembered, to tell a late answer from a lie.
const MOST_ENDED: usize = MOST_TASKS;

/// The slot is in the low bits of a task tag, the slot's generation above; the highest bit stays clear, so that no tag is
/// the reserved one.
const SLOT_BITS: u32 = MOST_TASKS.ilog2();
const GENERATIONS: u32 = 1 << (31 - SLOT_BITS);

/// What a task tag stands for.
#[derive(Debug)]
pub(super) enum Task {
    Command(CommandTask),
    Management(ManagementTask),
    /// A NOP-Out that wants an answer.
    Ping,
    Text,
    Logout,
}

#[derive(Debug)]
pub(super) struct CommandTask {
    pub tag: Tag,
    pub lun: Lun,
    pub cmd_sn: Serial,
    pub data_out: Bytes,
    /// Octets of `data_out` that were sent or are in the outbox.
    pub sent: u32,
    pub r2t_sn: Serial,
    /// As long as the command has room; the first `received` octets have come.
    pub data_in: Vec<u8>,
    pub received: u32,
    pub data_sn: Serial,
}

#[derive(Debug)]
pub(super) struct ManagementTask {
    pub tag: Tag,
    pub request: TaskManagement,
    /// The command to abort, or no tag.
    pub referenced_tag: u32,
    /// Commands from this CmdSN on are younger than the request.
    pub cmd_sn: Serial,
    /// Commands for the logical unit that had not been sent: they end with the others, or go on when those do.
    pub held: Vec<(Tag, Command)>,
}

/// The tasks in flight, by their initiator task tags (RFC 7143, 11.2.1.8).
#[derive(Debug)]
pub(super) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Commands that task management has ended.
    ended: VecDeque<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    task: Option<Task>,
}

impl Tasks {
    pub fn new() -> Self {
        let slots = (0..MOST_TASKS).map(|_| Slot { generation: 0, task: None }).collect();
        Self { slots, free: (0..MOST_TASKS).rev().collect(), ended: VecDeque::new() }
    }

    /// How many more commands may be taken, `waiting` ones included.
    pub fn room_for_commands(&self, waiting: usize) -> usize {
        self.free.len().saturating_sub(FOR_OTHERS + waiting)
    }

    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// # Panics
    ///
    /// When it is full.
    pub fn insert(&mut self, task: Task) -> u32 {
        let at = self.free.pop().expect("whoever starts a task looks for room first");
        let slot = &mut self.slots[at];
        slot.generation = (slot.generation + 1) % GENERATIONS;
        slot.task = Some(task);
        slot.generation << SLOT_BITS | at as u32
    }

    fn slot(&mut self, tag: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut((tag as usize) % MOST_TASKS)?;
        (slot.generation == tag >> SLOT_BITS && slot.task.is_some()).then_some(slot)
    }

    pub fn get(&mut self, tag: u32) -> Option<&mut Task> {
        self.slot(tag)?.task.as_mut()
    }

    pub fn command(&mut self, tag: u32) -> Option<&mut CommandTask> {
        match self.get(tag)? {
            Task::Command(command) => Some(command),
            _ => None,
        }
    }

    pub fn remove(&mut self, tag: u32) -> Option<Task> {
        let task = self.slot(tag)?.task.take();
        self.free.push((tag as usize) % MOST_TASKS);
        task
    }

    /// The commands in flight, with their task tags.
    pub fn commands(&self) -> impl Iterator<Item = (u32, &CommandTask)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| match &slot.task {
            Some(Task::Command(command)) => Some((slot.generation << SLOT_BITS | at as u32, command)),
            _ => None,
        })
    }

    /// Ends a command that gets no report of its own.
    pub fn end(&mut self, tag: u32) {
        if self.remove(tag).is_some() {
            self.ended.push_back(tag);
            if self.ended.len() > MOST_ENDED {
                self.ended.pop_front();
            }
        }
    }

    pub fn has_ended(&self, tag: u32) -> bool {
        self.ended.contains(&tag)
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_one_task_once() {
        let mut tasks = Tasks::new();
        let first = tasks.insert(Task::Ping);
        assert!(tasks.get(first).is_some() && tasks.command(first).is_none());
        assert!(tasks.remove(first).is_some() && tasks.remove(first).is_none());
        let second = tasks.insert(Task::Text);
        assert_ne!(first, second);
        assert!(tasks.get(first).is_none(), "its slot has another task now");
    }

    #[test]
    fn it_fills_and_keeps_room_for_what_is_no_command() {
        let mut tasks = Tasks::new();
        while tasks.room_for_commands(5) > 0 {
            tasks.insert(Task::Ping);
        }
        assert!(!tasks.is_full());
        while !tasks.is_full() {
            assert!(tasks.insert(Task::Ping) < 1 << 31);
        }
    }
}
