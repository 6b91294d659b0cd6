//! What comes in once the session is open.

use bytes::Bytes;

use super::commands::in_order;
use super::failure::{Failure, Violation};
use super::tasks::{CommandTask, ManagementTask, Task};
use super::{Engine, Event, Phase, Place};
use crate::san::iscsi::pdu::{
    AsyncMessage, DataIn, FromTarget, LogoutResponse, NO_TAG, NopIn, Reject, Residual as PduResidual, ScsiResponse,
    TaskManagementResponse, TextResponse,
};
use crate::scsi::{Residual, Response, Sense, SenseCode, Status, TaskAnswer, TaskFunction};

/// The text of one answer, over all its PDUs: some ten thousand targets.
const LONGEST_TEXT: usize = 1 << 20;

impl Engine {
    /// Says where the data segment of a PDU goes, before it comes.
    pub(super) fn place(&mut self, pdu: &FromTarget, length: u32) -> Result<Place, Violation> {
        let FromTarget::DataIn(data) = pdu else { return Ok(Place::Segment) };
        const PDU: &str = "SCSI Data-In";
        if self.tasks.has_ended(data.task_tag) {
            return Ok(Place::Nowhere);
        }
        let tag = Violation::Tag { pdu: PDU, tag: data.task_tag };
        let task = self.tasks.command(data.task_tag).ok_or(tag)?;
        in_order(PDU, "DataSN", data.data_sn.0, task.data_sn.0)?;
        in_order(PDU, "Buffer Offset", data.offset, task.received)?;
        let buffer = task.data_in.len() as u32;
        if length > buffer - task.received {
            return Err(Violation::Range { pdu: PDU, offset: data.offset, length, buffer });
        }
        Ok(Place::Command { task_tag: data.task_tag, offset: data.offset as usize })
    }

    /// A PDU is complete; `segment` is its data unless it went elsewhere.
    pub(super) fn on_answer(&mut self, pdu: &FromTarget, segment: &[u8], length: u32) -> Result<(), Failure> {
        match pdu {
            FromTarget::DataIn(data) => self.on_data_in(data, length)?,
            FromTarget::ScsiResponse(response) => self.on_response(response, segment)?,
            FromTarget::ReadyToTransfer(r2t) => self.on_ready_to_transfer(r2t)?,
            FromTarget::TaskManagement(response) => self.on_managed(response)?,
            FromTarget::NopIn(nop) => self.on_nop(nop)?,
            FromTarget::Text(response) => self.on_text(response, segment)?,
            FromTarget::Async(message) => self.on_async(message, segment)?,
            FromTarget::Reject(reject) => return Err(rejected(reject, segment).into()),
            FromTarget::Logout(response) => return self.on_logged_out(response),
            FromTarget::Login(_) => return Err(Violation::Unexpected(pdu.name()).into()),
        }
        self.send_waiting();
        Ok(())
    }

    fn on_data_in(&mut self, data: &DataIn, length: u32) -> Result<(), Violation> {
        if self.tasks.has_ended(data.task_tag) {
            return Ok(());
        }
        let tag = Violation::Tag { pdu: "SCSI Data-In", tag: data.task_tag };
        let task = self.tasks.command(data.task_tag).ok_or(tag)?;
        task.data_sn = task.data_sn.next();
        task.received += length;
        match data.status {
            Some(status) => self.complete(data.task_tag, status, data.residual, None),
            None => Ok(()),
        }
    }

    fn on_response(&mut self, response: &ScsiResponse, segment: &[u8]) -> Result<(), Violation> {
        if self.tasks.has_ended(response.task_tag) {
            return Ok(());
        }
        if self.tasks.command(response.task_tag).is_none() {
            return Err(Violation::Tag { pdu: "SCSI Response", tag: response.task_tag });
        }
        if response.response != 0 {
            return Err(Violation::TargetFailure(response.response));
        }
        let sense = sense(segment)?;
        self.complete(response.task_tag, response.status, response.residual, sense)
    }

    fn complete(
        &mut self,
        task_tag: u32,
        status: u8,
        residual: PduResidual,
        sense: Option<Sense>,
    ) -> Result<(), Violation> {
        let status = Status::try_from(status).map_err(|it| Violation::Status(it.0))?;
        let Some(Task::Command(task)) = self.tasks.remove(task_tag) else { unreachable!("the caller has seen it") };
        if status == Status::Good {
            check_received(&task, residual)?;
        }
        let residual = match residual {
            PduResidual::None => Residual::Exact,
            PduResidual::Under(octets) => Residual::Underflow(octets),
            PduResidual::Over(octets) => Residual::Overflow(octets),
        };
        let CommandTask { tag, mut data_in, received, .. } = task;
        data_in.truncate(received as usize);
        let response = Response { status, sense, data_in: Bytes::from(data_in), residual };
        self.events.push_back(Event::Completed { tag, response });
        Ok(())
    }

    fn on_managed(&mut self, response: &TaskManagementResponse) -> Result<(), Violation> {
        let unknown = Violation::Tag { pdu: "Task Management Function Response", tag: response.task_tag };
        if !matches!(self.tasks.get(response.task_tag), Some(Task::Management(_))) {
            return Err(unknown);
        }
        let Some(Task::Management(task)) = self.tasks.remove(response.task_tag) else { return Err(unknown) };
        let answer = answer(response.response);
        if answer.is_complete() {
            self.end_commands(&task);
        } else {
            // Before what was submitted after them.
            task.held.into_iter().rev().for_each(|it| self.waiting.push_front(it));
        }
        self.events.push_back(Event::Managed { tag: task.tag, answer });
        Ok(())
    }

    /// The commands that a completed function has ended (RFC 7143, 4.2.3.3): those sent before it.
    fn end_commands(&mut self, by: &ManagementTask) {
        let is_meant = |task_tag: u32, it: &CommandTask| match by.request.function {
            TaskFunction::AbortTask { .. } => task_tag == by.referenced_tag,
            TaskFunction::ClearAca => false,
            TaskFunction::AbortTaskSet | TaskFunction::ClearTaskSet | TaskFunction::LunReset => {
                it.lun == by.request.lun && it.cmd_sn.is_before(by.cmd_sn)
            }
        };
        let ended: Vec<u32> = self.tasks.commands().filter(|it| is_meant(it.0, it.1)).map(|it| it.0).collect();
        ended.into_iter().for_each(|tag| self.tasks.end(tag));
    }

    fn on_nop(&mut self, nop: &NopIn) -> Result<(), Violation> {
        if nop.task_tag == NO_TAG {
            self.on_foreign_ping(nop);
            return Ok(());
        }
        match self.tasks.get(nop.task_tag) {
            Some(Task::Ping) => drop(self.tasks.remove(nop.task_tag)),
            _ => return Err(Violation::Tag { pdu: "NOP-In", tag: nop.task_tag }),
        }
        self.pinging = false;
        Ok(())
    }

    fn on_text(&mut self, response: &TextResponse, segment: &[u8]) -> Result<(), Violation> {
        if !matches!(self.tasks.get(response.task_tag), Some(Task::Text)) {
            return Err(Violation::Tag { pdu: "Text Response", tag: response.task_tag });
        }
        self.text.extend_from_slice(segment);
        if self.text.len() > LONGEST_TEXT {
            return Err(Violation::TextLength(LONGEST_TEXT));
        }
        if !response.last {
            self.send_text(response.task_tag, response.transfer_tag, Bytes::new());
            return Ok(());
        }
        self.tasks.remove(response.task_tag);
        self.events.push_back(Event::Text(std::mem::take(&mut self.text)));
        Ok(())
    }

    fn on_async(&mut self, message: &AsyncMessage, segment: &[u8]) -> Result<(), Failure> {
        match message.event {
            0 => {
                let code = sense(segment)?.map(|it| it.code);
                if code == Some(SenseCode::REPORTED_LUNS_CHANGED) {
                    self.events.push_back(Event::LunsChanged);
                }
                Ok(())
            }
            1 | 4 => {
                self.leave(Failure::SentAway(message.event));
                Ok(())
            }
            2 | 3 => Err(Failure::SentAway(message.event)),
            // Vendor specific: what they mean is unknown, and what they ask for is not done.
            _ => Ok(()),
        }
    }

    /// The way to end is [`Failure`], for good reasons as well.
    fn on_logged_out(&mut self, response: &LogoutResponse) -> Result<(), Failure> {
        match &self.phase {
            Phase::Leaving { task_tag, why, .. } if *task_tag == response.task_tag => match response.response {
                0 => Err(why.clone()),
                code => Err(Violation::Logout(code).into()),
            },
            _ => Err(Violation::Tag { pdu: "Logout Response", tag: response.task_tag }.into()),
        }
    }
}

/// With GOOD, all the data is there, but what the residual speaks of.
fn check_received(task: &CommandTask, residual: PduResidual) -> Result<(), Violation> {
    let expected = task.data_in.len() as u32;
    let missing = match residual {
        PduResidual::Under(octets) => octets,
        PduResidual::None | PduResidual::Over(_) => 0,
    };
    let complete = expected == 0 || task.received.checked_add(missing) == Some(expected);
    if complete { Ok(()) } else { Err(Violation::Residual { received: task.received, expected }) }
}

/// The sense data of a segment: SenseLength, then that many octets (RFC 7143, 11.4.7). Sense in a form that no standard
/// knows counts as none.
fn sense(segment: &[u8]) -> Result<Option<Sense>, Violation> {
    let Some((length, rest)) = segment.split_first_chunk() else { return Ok(None) };
    let said = u16::from_be_bytes(*length);
    let sense = rest.get(..usize::from(said)).ok_or(Violation::SenseLength { said, has: rest.len() })?;
    Ok(Sense::parse(sense).ok())
}

/// RFC 7143, 11.6.1.
fn answer(response: u8) -> TaskAnswer {
    match response {
        0 => TaskAnswer::Complete,
        1 => TaskAnswer::NoSuchTask,
        2 => TaskAnswer::NoSuchLun,
        5 => TaskAnswer::NotSupported,
        6 => TaskAnswer::NotAuthorized,
        _ => TaskAnswer::Rejected,
    }
}

/// A reject leaves open what became of the PDU and of the numbers that it used: there is no way on.
fn rejected(reject: &Reject, header: &[u8]) -> Violation {
    Violation::Rejected { reason: reject.reason, opcode: header.first().map_or(0, |it| it & 0x3f) }
}
