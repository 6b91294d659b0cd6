//! Between the words of the wire and those of SCSI. The wire's stop here.

use bytes::Bytes;
use twinrail_proto::rail::command as wire;
use twinrail_proto::rail::command::CommandNumber;

use crate::scsi::{
    Cdb, CdbError, Command, Lun, Residual, Response, Sense, Status, TaskAnswer, TaskAttribute, TaskFunction,
    TaskManagement,
};

pub(super) fn to_wire(number: CommandNumber, command: &Command) -> wire::Command {
    let Command { lun, cdb, attribute, data_out, data_in_length } = command;
    let attribute = match attribute {
        TaskAttribute::Simple => wire::Attribute::Simple,
        TaskAttribute::Ordered => wire::Attribute::Ordered,
        TaskAttribute::HeadOfQueue => wire::Attribute::HeadOfQueue,
        TaskAttribute::Aca => wire::Attribute::Aca,
    };
    wire::Command {
        number,
        lun: lun.octets(),
        cdb: cdb.padded(),
        cdb_length: cdb.octets().len() as u8,
        attribute,
        data_in_length: *data_in_length,
        data_out_length: data_out.len() as u32,
    }
}

pub(super) fn from_wire(command: &wire::Command, data_out: Bytes) -> Result<Command, CdbError> {
    let wire::Command { number: _, lun, cdb, cdb_length, attribute, data_in_length, data_out_length: _ } = command;
    let attribute = match attribute {
        wire::Attribute::Simple => TaskAttribute::Simple,
        wire::Attribute::Ordered => TaskAttribute::Ordered,
        wire::Attribute::HeadOfQueue => TaskAttribute::HeadOfQueue,
        wire::Attribute::Aca => TaskAttribute::Aca,
    };
    let cdb = Cdb::new(&cdb[..usize::from(*cdb_length)])?;
    Ok(Command { lun: Lun::from_octets(*lun), cdb, attribute, data_out, data_in_length: *data_in_length })
}

pub(super) fn answer_to_wire(number: CommandNumber, response: &Response) -> wire::Answer {
    let Response { status, sense, data_in, residual } = response;
    let residual = match *residual {
        Residual::Exact => wire::Residual::Exact,
        Residual::Underflow(octets) => wire::Residual::Underflow(octets),
        Residual::Overflow(octets) => wire::Residual::Overflow(octets),
    };
    let sense = sense.map(|it| it.to_descriptors()).unwrap_or_default();
    wire::Answer { number, status: status.to_u8(), residual, sense, data_in_length: data_in.len() as u32 }
}

/// None: no device server says this (an unknown status, sense data that are none, or more data than there is `room` for).
pub(super) fn answer_from_wire(answer: &wire::Answer, data_in: Bytes, room: u32) -> Option<Response> {
    let wire::Answer { number: _, status, residual, sense, data_in_length } = answer;
    let residual = match *residual {
        wire::Residual::Exact => Residual::Exact,
        wire::Residual::Underflow(octets) => Residual::Underflow(octets),
        wire::Residual::Overflow(octets) => Residual::Overflow(octets),
    };
    let sense = match sense.as_slice() {
        [] => None,
        octets => Some(Sense::parse(octets).ok()?),
    };
    let status = Status::try_from(*status).ok()?;
    (*data_in_length <= room).then_some(Response { status, sense, data_in, residual })
}

pub(super) fn function_to_wire(number: u64, request: &TaskManagement) -> wire::TaskManagement {
    let function = match request.function {
        TaskFunction::AbortTask { tag } => wire::Function::AbortTask(CommandNumber(tag)),
        TaskFunction::AbortTaskSet => wire::Function::AbortTaskSet,
        TaskFunction::ClearTaskSet => wire::Function::ClearTaskSet,
        TaskFunction::ClearAca => wire::Function::ClearAca,
        TaskFunction::LunReset => wire::Function::LunReset,
    };
    wire::TaskManagement { number, lun: request.lun.octets(), function }
}

/// The tag of an ABORT TASK is the number of the command.
pub(super) fn function_from_wire(request: &wire::TaskManagement) -> TaskManagement {
    let function = match request.function {
        wire::Function::AbortTask(CommandNumber(tag)) => TaskFunction::AbortTask { tag },
        wire::Function::AbortTaskSet => TaskFunction::AbortTaskSet,
        wire::Function::ClearTaskSet => TaskFunction::ClearTaskSet,
        wire::Function::ClearAca => TaskFunction::ClearAca,
        wire::Function::LunReset => TaskFunction::LunReset,
    };
    TaskManagement { lun: Lun::from_octets(request.lun), function }
}

pub(super) fn result_to_wire(answer: TaskAnswer) -> wire::FunctionResult {
    match answer {
        TaskAnswer::Complete => wire::FunctionResult::Complete,
        TaskAnswer::NoSuchTask => wire::FunctionResult::NoSuchTask,
        TaskAnswer::NoSuchLun => wire::FunctionResult::NoSuchLun,
        TaskAnswer::NotSupported => wire::FunctionResult::NotSupported,
        TaskAnswer::NotAuthorized => wire::FunctionResult::NotAuthorized,
        TaskAnswer::Rejected => wire::FunctionResult::Rejected,
    }
}

pub(super) fn result_from_wire(result: wire::FunctionResult) -> TaskAnswer {
    match result {
        wire::FunctionResult::Complete => TaskAnswer::Complete,
        wire::FunctionResult::NoSuchTask => TaskAnswer::NoSuchTask,
        wire::FunctionResult::NoSuchLun => TaskAnswer::NoSuchLun,
        wire::FunctionResult::NotSupported => TaskAnswer::NotSupported,
        wire::FunctionResult::NotAuthorized => TaskAnswer::NotAuthorized,
        wire::FunctionResult::Rejected => TaskAnswer::Rejected,
    }
}
