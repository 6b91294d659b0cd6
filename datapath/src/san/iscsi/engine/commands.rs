//! What goes out: commands, their data, task management.

use super::failure::Violation;
use super::tasks::{CommandTask, ManagementTask, Task};
use super::{Engine, Event, Phase};
use crate::san::iscsi::login::Agreement;
use crate::san::iscsi::pdu::{
    DataOut, FromInitiator, NO_TAG, NopIn, NopOut, ReadyToTransfer, ScsiCommand, Serial, TaskManagementRequest,
};
use crate::san::{NotTaken, Refused, Tag};
use crate::scsi::{Command, Response, Sense, SenseCode, TaskAnswer, TaskAttribute, TaskFunction, TaskManagement};

/// The longest data of one command, in octets, either way. Longer than what any initiator of ours sends, and short enough
/// that one command cannot take a director's memory.
pub const LARGEST_TRANSFER: u32 = 64 << 20;

impl Engine {
    /// Hands a command over: it is sent at once, or when the target's window opens. One with data in both directions, or
    /// with more than [`LARGEST_TRANSFER`], is answered here with ILLEGAL REQUEST.
    pub fn submit(&mut self, tag: Tag, command: Command) -> Result<(), Refused> {
        let why = match self.phase {
            Phase::Open if self.tasks.room_for_commands(self.waiting.len()) > 0 => None,
            Phase::Open => Some(NotTaken::Full),
            _ => Some(NotTaken::NotOpen),
        };
        if let Some(why) = why {
            return Err(Refused { command, why });
        }
        if let Some(code) = cannot_carry(&command) {
            let response = Response::check_condition(Sense::illegal_request(code));
            self.events.push_back(Event::Completed { tag, response });
            return Ok(());
        }
        self.waiting.push_back((tag, command));
        self.send_waiting();
        Ok(())
    }

    /// Sends what waits, as far as the window goes.
    pub(super) fn send_waiting(&mut self) {
        while matches!(self.phase, Phase::Open) && self.window.is_open() {
            let Some((tag, command)) = self.waiting.pop_front() else { break };
            self.send_command(tag, command);
        }
    }

    fn send_command(&mut self, tag: Tag, command: Command) {
        let length = command.data_out.len() as u32;
        let immediate = immediate_length(&self.agreement, length);
        let unsolicited = unsolicited_length(&self.agreement, length);
        let numbers = self.window.take();
        let task_tag = self.tasks.insert(Task::Command(CommandTask {
            tag,
            lun: command.lun,
            cmd_sn: numbers.cmd_sn,
            data_out: command.data_out.clone(),
            sent: unsolicited,
            r2t_sn: Serial(0),
            data_in: vec![0; command.data_in_length as usize],
            received: 0,
            data_sn: Serial(0),
        }));
        let header = FromInitiator::ScsiCommand(ScsiCommand {
            immediate: false,
            last: unsolicited == immediate,
            read: command.data_in_length > 0,
            write: length > 0,
            attribute: attribute(command.attribute),
            lun: command.lun.octets(),
            task_tag,
            expected_length: length.max(command.data_in_length),
            numbers,
            cdb: command.cdb.padded(),
        });
        self.outbox.push(header.header(), command.data_out.slice(..immediate as usize));
        self.send_data(task_tag, NO_TAG, immediate, unsolicited - immediate);
    }

    /// One sequence of Data-Out PDUs.
    fn send_data(&mut self, task_tag: u32, transfer_tag: u32, offset: u32, length: u32) {
        let exp_stat_sn = self.window.numbers().exp_stat_sn;
        let Some(task) = self.tasks.command(task_tag) else { unreachable!("data belongs to a command in flight") };
        let segment = self.agreement.max_send_segment;
        for (count, from) in (0..length).step_by(segment as usize).enumerate() {
            let octets = segment.min(length - from);
            let header = FromInitiator::DataOut(DataOut {
                last: from + octets == length,
                lun: task.lun.octets(),
                task_tag,
                transfer_tag,
                exp_stat_sn,
                data_sn: Serial(count as u32),
                offset: offset + from,
            });
            let at = (offset + from) as usize;
            self.outbox.push(header.header(), task.data_out.slice(at..at + octets as usize));
        }
    }

    /// R2Ts come in the order of the data (DataSequenceInOrder), each within one burst.
    pub(super) fn on_ready_to_transfer(&mut self, r2t: &ReadyToTransfer) -> Result<(), Violation> {
        const PDU: &str = "R2T";
        if self.tasks.has_ended(r2t.task_tag) {
            return Err(Violation::LateR2t);
        }
        let limit = self.agreement.max_burst;
        let tag = Violation::Tag { pdu: PDU, tag: r2t.task_tag };
        let task = self.tasks.command(r2t.task_tag).ok_or(tag)?;
        in_order(PDU, "R2TSN", r2t.r2t_sn.0, task.r2t_sn.0)?;
        in_order(PDU, "Buffer Offset", r2t.offset, task.sent)?;
        if !(1..=limit).contains(&r2t.length) {
            return Err(Violation::Burst { length: r2t.length, limit });
        }
        let buffer = task.data_out.len() as u32;
        let end = r2t.offset.checked_add(r2t.length).filter(|&end| end <= buffer);
        let outside = Violation::Range { pdu: PDU, offset: r2t.offset, length: r2t.length, buffer };
        task.sent = end.ok_or(outside)?;
        task.r2t_sn = task.r2t_sn.next();
        self.send_data(r2t.task_tag, r2t.transfer_tag, r2t.offset, r2t.length);
        Ok(())
    }

    /// Asks for a task management function: sent at once, outside the window. It stands for all commands that were
    /// submitted before it: those that had not been sent end here, if it completes.
    pub fn manage(&mut self, tag: Tag, request: TaskManagement) -> Result<(), NotTaken> {
        if !matches!(self.phase, Phase::Open) {
            return Err(NotTaken::NotOpen);
        }
        if self.tasks.is_full() {
            return Err(NotTaken::Full);
        }
        match request.function {
            TaskFunction::AbortTask { tag: referenced } => self.abort(tag, request, Tag(referenced)),
            TaskFunction::ClearAca => self.send_management(tag, request, None, Vec::new()),
            TaskFunction::AbortTaskSet | TaskFunction::ClearTaskSet | TaskFunction::LunReset => {
                let waiting = std::mem::take(&mut self.waiting);
                let (held, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|it| it.1.lun == request.lun);
                self.waiting = others.into();
                self.send_management(tag, request, None, held);
            }
        }
        Ok(())
    }

    fn abort(&mut self, tag: Tag, request: TaskManagement, referenced: Tag) {
        if let Some(at) = self.waiting.iter().position(|it| it.0 == referenced) {
            self.waiting.remove(at);
            return self.events.push_back(Event::Managed { tag, answer: TaskAnswer::Complete });
        }
        let found = self.tasks.commands().find(|(_, it)| it.tag == referenced && it.lun == request.lun);
        match found.map(|(task_tag, it)| (task_tag, it.cmd_sn)) {
            Some(task) => self.send_management(tag, request, Some(task), Vec::new()),
            None => self.events.push_back(Event::Managed { tag, answer: TaskAnswer::NoSuchTask }),
        }
    }

    fn send_management(
        &mut self,
        tag: Tag,
        request: TaskManagement,
        referenced: Option<(u32, Serial)>,
        held: Vec<(Tag, Command)>,
    ) {
        let numbers = self.window.numbers();
        let (referenced_tag, referenced_cmd_sn) = referenced.unwrap_or((NO_TAG, Serial(0)));
        let task = ManagementTask { tag, request, referenced_tag, cmd_sn: numbers.cmd_sn, held };
        let task_tag = self.tasks.insert(Task::Management(task));
        let header = FromInitiator::TaskManagement(TaskManagementRequest {
            immediate: true,
            function: function(request.function),
            lun: request.lun.octets(),
            task_tag,
            referenced_tag,
            numbers,
            referenced_cmd_sn,
        });
        self.outbox.push(header.header(), bytes::Bytes::new());
    }

    /// Asks for a sign of life.
    pub(super) fn ping(&mut self) {
        self.pinging = true;
        // With all tasks in flight, the answer to any of them is the sign.
        if !self.tasks.is_full() {
            let task_tag = self.tasks.insert(Task::Ping);
            self.send_nop([0; 8], task_tag, NO_TAG);
        }
    }

    /// Gives a sign of life, if the target wants one. Ping data is not returned: RFC 7143, 11.18 leaves that to the
    /// initiator where it answers a NOP-In.
    pub(super) fn on_foreign_ping(&mut self, nop: &NopIn) {
        if nop.transfer_tag != NO_TAG {
            self.send_nop(nop.lun, NO_TAG, nop.transfer_tag);
        }
    }

    fn send_nop(&mut self, lun: [u8; 8], task_tag: u32, transfer_tag: u32) {
        let numbers = self.window.numbers();
        let header = FromInitiator::NopOut(NopOut { immediate: true, lun, task_tag, transfer_tag, numbers });
        self.outbox.push(header.header(), bytes::Bytes::new());
    }
}

/// A number or an offset that must be the next one.
pub(super) fn in_order(pdu: &'static str, field: &'static str, said: u32, expected: u32) -> Result<(), Violation> {
    if said == expected { Ok(()) } else { Err(Violation::Order { pdu, field, said, expected }) }
}

fn cannot_carry(command: &Command) -> Option<SenseCode> {
    let longest = LARGEST_TRANSFER as usize;
    if !command.data_out.is_empty() && command.data_in_length > 0 {
        return Some(SenseCode::INVALID_OPCODE);
    }
    let too_long = command.data_out.len() > longest || command.data_in_length > LARGEST_TRANSFER;
    too_long.then_some(SenseCode::INVALID_FIELD_IN_CDB)
}

/// How much data travels in the command's own PDU (RFC 7143, 13.11).
fn immediate_length(agreed: &Agreement, length: u32) -> u32 {
    if agreed.immediate_data { length.min(agreed.first_burst).min(agreed.max_send_segment) } else { 0 }
}

/// How much data travels before it is asked for, immediate data included (RFC 7143, 13.10).
fn unsolicited_length(agreed: &Agreement, length: u32) -> u32 {
    if agreed.initial_r2t { immediate_length(agreed, length) } else { length.min(agreed.first_burst) }
}

/// RFC 7143, 11.3.1.
fn attribute(attribute: TaskAttribute) -> u8 {
    match attribute {
        TaskAttribute::Simple => 1,
        TaskAttribute::Ordered => 2,
        TaskAttribute::HeadOfQueue => 3,
        TaskAttribute::Aca => 4,
    }
}

/// RFC 7143, 11.5.1.
fn function(function: TaskFunction) -> u8 {
    match function {
        TaskFunction::AbortTask { .. } => 1,
        TaskFunction::AbortTaskSet => 2,
        TaskFunction::ClearAca => 3,
        TaskFunction::ClearTaskSet => 4,
        TaskFunction::LunReset => 5,
    }
}
