use std::collections::BTreeMap;

use twinrail_proto::rail::command::{CommandNumber, MAX_DATA};

use super::NotTaken;
use crate::commands::MAX_FUNCTIONS;
use crate::rail::Nanos;
use crate::scsi::{Command, Lun, TaskFunction, TaskManagement};

/// Commands that an agent holds for one vHBA at most, sent or not: enough for any queue depth, and a bound on what a
/// takeover has to send again. Beyond it submitting is refused, and the export stops reading requests.
pub const MAX_COMMANDS: usize = 1024;

/// The same in octets of their data buffers.
pub const MAX_OCTETS: u64 = 128 << 20;

/// A command that has no answer.
#[derive(Debug)]
pub struct Waiting {
    pub command: Command,
    /// It went out to some home at some time: somebody may have executed it.
    pub sent: bool,
    /// It went out by the present attachment.
    pub on_link: bool,
    /// Since when it is not with a home. Means nothing while `on_link`.
    pub held_since: Nanos,
    /// Its owner was told that time ran out. What the home says of it is awaited, since it may still execute it.
    pub orphan: bool,
}

/// A function that has no answer.
#[derive(Debug)]
pub struct WaitingFunction {
    pub request: TaskManagement,
    /// The last command sent before it: it acts on those up to this one.
    pub after: CommandNumber,
    /// Commands that it ended here, since they had never been sent.
    pub ended: Vec<CommandNumber>,
    pub on_link: bool,
    pub held_since: Nanos,
}

/// Everything that has no answer yet.
#[derive(Debug, Default)]
pub struct Table {
    pub commands: BTreeMap<CommandNumber, Waiting>,
    pub functions: BTreeMap<u64, WaitingFunction>,
    octets: u64,
    orphans: usize,
    last_command: u64,
    last_function: u64,
}

/// What takes its turn to be sent: functions after the commands that were sent before them, all else by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    after: CommandNumber,
    function: Option<u64>,
}

pub fn cost(command: &Command) -> u64 {
    command.data_out.len() as u64 + u64::from(command.data_in_length)
}

impl Turn {
    pub fn command(number: CommandNumber) -> Self {
        Self { after: number, function: None }
    }

    pub fn function(number: u64, after: CommandNumber) -> Self {
        Self { after, function: Some(number) }
    }

    /// The function, or the command that it is.
    pub fn what(self) -> Result<u64, CommandNumber> {
        self.function.ok_or(self.after)
    }
}

impl Table {
    pub fn add(&mut self, command: Command, now: Nanos) -> Result<CommandNumber, NotTaken> {
        if command.data_out.len() > MAX_DATA as usize || command.data_in_length > MAX_DATA {
            return Err(NotTaken::TooLong);
        }
        if self.commands.len() >= MAX_COMMANDS || self.octets + cost(&command) > MAX_OCTETS {
            return Err(NotTaken::Full);
        }
        self.octets += cost(&command);
        self.last_command += 1;
        let number = CommandNumber(self.last_command);
        let waiting = Waiting { command, sent: false, on_link: false, held_since: now, orphan: false };
        self.commands.insert(number, waiting);
        Ok(number)
    }

    pub fn add_function(&mut self, waiting: WaitingFunction) -> Result<u64, NotTaken> {
        if self.functions.len() >= MAX_FUNCTIONS {
            return Err(NotTaken::Full);
        }
        self.last_function += 1;
        self.functions.insert(self.last_function, waiting);
        Ok(self.last_function)
    }

    /// The command has its answer, or needs none any more.
    pub fn remove(&mut self, number: CommandNumber) -> Option<Waiting> {
        let waiting = self.commands.remove(&number)?;
        self.octets -= cost(&waiting.command);
        self.orphans -= usize::from(waiting.orphan);
        Some(waiting)
    }

    pub fn make_orphan(&mut self, number: CommandNumber) {
        if let Some(waiting) = self.commands.get_mut(&number).filter(|it| !it.orphan) {
            waiting.orphan = true;
            self.orphans += 1;
        }
    }

    /// While there are any, nothing new goes out: it could be overtaken by one of them.
    pub fn has_orphans(&self) -> bool {
        self.orphans > 0
    }

    /// All up to this command have answers, of those sent up to `sent`.
    pub fn answered_up_to(&self, sent: CommandNumber) -> CommandNumber {
        match self.commands.first_key_value() {
            Some((first, _)) if *first <= sent => CommandNumber(first.0 - 1),
            _ => sent,
        }
    }

    /// All functions up to this one have answers.
    pub fn functions_answered_up_to(&self) -> u64 {
        self.functions.first_key_value().map_or(self.last_function, |(first, _)| first - 1)
    }

    /// Everything, in the order in which it is to be sent.
    pub fn turns(&self) -> impl Iterator<Item = Turn> + '_ {
        let commands = self.commands.keys().map(|&number| Turn::command(number));
        commands.chain(self.functions.iter().map(|(&number, it)| Turn::function(number, it.after)))
    }

    /// The attachment is gone: all that went out by it is held from now on.
    pub fn hold(&mut self, now: Nanos) {
        for waiting in self.commands.values_mut().filter(|it| it.on_link) {
            (waiting.on_link, waiting.held_since) = (false, now);
        }
        for waiting in self.functions.values_mut().filter(|it| it.on_link) {
            (waiting.on_link, waiting.held_since) = (false, now);
        }
    }

    /// Commands that a function names, up to `after`.
    pub fn named(&self, request: &TaskManagement, after: CommandNumber) -> Vec<CommandNumber> {
        let of_lun = |lun: Lun| self.commands.range(..=after).filter(move |(_, it)| it.command.lun == lun);
        match request.function {
            TaskFunction::AbortTask { tag } => of_lun(request.lun).map(|it| *it.0).filter(|it| it.0 == tag).collect(),
            TaskFunction::AbortTaskSet | TaskFunction::ClearTaskSet | TaskFunction::LunReset => {
                of_lun(request.lun).map(|it| *it.0).collect()
            }
            TaskFunction::ClearAca => Vec::new(),
        }
    }

    /// When the first of what is held was held for `io_timeout`.
    pub fn next_expiry(&self, io_timeout: Nanos) -> Option<Nanos> {
        let commands = self.commands.values().filter(|it| !it.on_link && !it.orphan).map(|it| it.held_since);
        let functions = self.functions.values().filter(|it| !it.on_link).map(|it| it.held_since);
        commands.chain(functions).min().map(|since| since.saturating_add(io_timeout))
    }
}
