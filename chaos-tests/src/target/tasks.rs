//! The tasks of a session: gathers the data of writes, hands commands to the SAN, sends what they bring.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use twinrail_datapath::san::iscsi::pdu::{
    DataIn, DataOut, FromTarget, NO_TAG, ReadyToTransfer, Residual, ScsiCommand, ScsiResponse, Serial,
    TaskManagementRequest, TaskManagementResponse,
};
use twinrail_datapath::san::{NotTaken, Refused, Report, Session, Tag};
use twinrail_datapath::scsi::{
    self, Cdb, Command, Lun, Response, Sense, SenseCode, Status, TaskAnswer, TaskAttribute, TaskFunction,
    TaskManagement,
};

use super::connection::Wire;
use super::login::Agreement;
use crate::measure::clock;

/// The largest transfer that one command may have, in octets: as much as is kept of it here.
const LARGEST_TRANSFER: u32 = 64 << 20;

pub struct Tasks {
    session: Box<dyn Session>,
    agreement: Agreement,
    /// Writes whose data is still coming, by task tag.
    gathering: BTreeMap<u32, Gathering>,
    /// Commands at the SAN.
    running: BTreeMap<u32, ScsiCommand>,
}

struct Gathering {
    command: ScsiCommand,
    data: Vec<u8>,
    /// Of the next Data-Out in this sequence.
    data_sn: Serial,
    r2t_sn: Serial,
    /// Where the data that was sent unasked or was asked for ends.
    asked: usize,
}

impl Tasks {
    pub fn new(session: Box<dyn Session>, agreement: Agreement) -> Self {
        Self { session, agreement, gathering: BTreeMap::new(), running: BTreeMap::new() }
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.session.fd()
    }

    pub fn command(&mut self, command: ScsiCommand, data: Vec<u8>, wire: &mut Wire) -> Result<()> {
        let expected = command.expected_length as usize;
        ensure!(
            command.expected_length <= LARGEST_TRANSFER,
            "a transfer of {expected} octets; {LARGEST_TRANSFER} is the most"
        );
        if !command.write {
            return self.submit(command, Vec::new(), wire);
        }
        ensure!(data.len() <= expected.min(self.agreement.first_burst), "more immediate data than was agreed");
        let asked = if command.last { data.len() } else { expected.min(self.agreement.first_burst) };
        let gathering = Gathering { command, data, data_sn: Serial(0), r2t_sn: Serial(0), asked };
        self.go_on(gathering, command.last, wire)
    }

    /// Asks for the next burst when the last one is whole; hands over what is complete.
    fn go_on(&mut self, mut gathering: Gathering, sequence_ended: bool, wire: &mut Wire) -> Result<()> {
        let expected = gathering.command.expected_length as usize;
        if gathering.data.len() == expected {
            return self.submit(gathering.command, gathering.data, wire);
        }
        if sequence_ended {
            let (offset, task_tag) = (gathering.data.len(), gathering.command.task_tag);
            let length = (expected - offset).min(self.agreement.max_burst);
            let request = ReadyToTransfer {
                lun: gathering.command.lun,
                task_tag,
                transfer_tag: task_tag,
                numbers: wire.numbers(),
                r2t_sn: gathering.r2t_sn,
                offset: offset as u32,
                length: length as u32,
            };
            gathering.asked = offset + length;
            gathering.r2t_sn = gathering.r2t_sn.next();
            gathering.data_sn = Serial(0);
            wire.send(FromTarget::ReadyToTransfer(request), b"")?;
        }
        self.gathering.insert(gathering.command.task_tag, gathering);
        Ok(())
    }

    pub fn data(&mut self, header: &DataOut, data: &[u8], wire: &mut Wire) -> Result<()> {
        // Of a task that was ended meanwhile.
        let Some(mut gathering) = self.gathering.remove(&header.task_tag) else { return Ok(()) };
        let (have, sn) = (gathering.data.len(), gathering.data_sn);
        ensure!(header.data_sn == sn, "DataSN {} where {sn} was to come", header.data_sn);
        ensure!(header.offset as usize == have, "data at {} where {have} was to come", header.offset);
        ensure!(have + data.len() <= gathering.asked, "data that nobody asked for");
        gathering.data.extend_from_slice(data);
        gathering.data_sn = sn.next();
        self.go_on(gathering, header.last, wire)
    }

    fn submit(&mut self, command: ScsiCommand, data: Vec<u8>, wire: &mut Wire) -> Result<()> {
        let Ok(cdb) = Cdb::from_padded(&command.cdb) else {
            let sense = Sense::illegal_request(SenseCode::INVALID_OPCODE);
            return respond(&command, &Response::check_condition(sense), self.agreement, wire);
        };
        let order = Command {
            lun: Lun::from_octets(command.lun),
            cdb,
            attribute: attribute(command.attribute),
            data_out: Bytes::from(data),
            data_in_length: if command.read { command.expected_length } else { 0 },
        };
        match self.session.submit(Tag(command.task_tag.into()), order, clock::now()) {
            Ok(()) => {
                self.running.insert(command.task_tag, command);
                self.poll(wire)
            }
            Err(Refused { why: NotTaken::Full, .. }) => {
                respond(&command, &Response::with_status(Status::TaskSetFull), self.agreement, wire)
            }
            Err(Refused { why: NotTaken::NotOpen, .. }) => bail!("the SAN has ended the session"),
        }
    }

    pub fn manage(&mut self, request: &TaskManagementRequest, wire: &mut Wire) -> Result<()> {
        let lun = Lun::from_octets(request.lun);
        let own = |task: &ScsiCommand| task.lun == request.lun;
        let function = match request.function {
            1 if self.gathering.remove(&request.referenced_tag).is_some() => {
                return managed(request.task_tag, TaskAnswer::Complete, wire);
            }
            1 => TaskFunction::AbortTask { tag: request.referenced_tag.into() },
            2 => TaskFunction::AbortTaskSet,
            3 => TaskFunction::ClearAca,
            4 => TaskFunction::ClearTaskSet,
            5 => TaskFunction::LunReset,
            _ => return managed(request.task_tag, TaskAnswer::NotSupported, wire),
        };
        if !matches!(function, TaskFunction::AbortTask { .. } | TaskFunction::ClearAca) {
            self.gathering.retain(|_, it| !own(&it.command));
        }
        match self.session.manage(Tag(request.task_tag.into()), TaskManagement { lun, function }, clock::now()) {
            Ok(()) => self.poll(wire),
            Err(NotTaken::Full) => managed(request.task_tag, TaskAnswer::Rejected, wire),
            Err(NotTaken::NotOpen) => bail!("the SAN has ended the session"),
        }
    }

    /// Sends what the SAN has to say.
    pub fn poll(&mut self, wire: &mut Wire) -> Result<()> {
        let mut reports = Vec::new();
        self.session.poll(clock::now(), &mut reports);
        for report in reports {
            match report {
                Report::Completed { tag, response } => {
                    if let Some(command) = self.running.remove(&(tag.0 as u32)) {
                        respond(&command, &response, self.agreement, wire)?;
                    }
                }
                Report::Managed { tag, answer } => managed(tag.0 as u32, answer, wire)?,
                Report::Ended(end) => bail!("{end}"),
                Report::LoggedIn | Report::LunsChanged => {}
            }
        }
        Ok(())
    }
}

/// Data-In for what came, then the status: in the last Data-In when all is well.
fn respond(command: &ScsiCommand, response: &Response, agreement: Agreement, wire: &mut Wire) -> Result<()> {
    let residual = match response.residual {
        scsi::Residual::Exact => Residual::None,
        scsi::Residual::Underflow(count) => Residual::Under(count),
        scsi::Residual::Overflow(count) => Residual::Over(count),
    };
    let (mut data_sn, mut burst) = (Serial(0), 0);
    let mut offset = 0;
    for part in response.data_in.chunks(agreement.initiator_segment) {
        let whole = offset + part.len() == response.data_in.len();
        burst += part.len();
        let last = whole || burst + agreement.initiator_segment > agreement.max_burst;
        let status = (whole && response.is_good()).then(|| response.status.to_u8());
        let numbers = if status.is_some() { wire.counted() } else { wire.numbers() };
        let data = DataIn {
            last,
            status,
            lun: command.lun,
            task_tag: command.task_tag,
            transfer_tag: NO_TAG,
            numbers,
            data_sn,
            offset: offset as u32,
            residual: if status.is_some() { residual } else { Residual::None },
        };
        wire.send(FromTarget::DataIn(data), part)?;
        if status.is_some() {
            return Ok(());
        }
        burst = if last { 0 } else { burst };
        offset += part.len();
        data_sn = data_sn.next();
    }
    let answer = ScsiResponse {
        response: 0,
        status: response.status.to_u8(),
        task_tag: command.task_tag,
        numbers: wire.counted(),
        exp_data_sn: data_sn,
        residual,
    };
    let sense = response.sense.as_ref().map_or_else(Vec::new, |sense| sense.to_fixed().to_vec());
    let length = u16::try_from(sense.len())?.to_be_bytes();
    let segment = if sense.is_empty() { Vec::new() } else { [&length[..], &sense].concat() };
    wire.send(FromTarget::ScsiResponse(answer), &segment)
}

fn managed(task_tag: u32, answer: TaskAnswer, wire: &mut Wire) -> Result<()> {
    let response = match answer {
        TaskAnswer::Complete => 0,
        TaskAnswer::NoSuchTask => 1,
        TaskAnswer::NoSuchLun => 2,
        TaskAnswer::NotSupported => 5,
        TaskAnswer::NotAuthorized => 6,
        TaskAnswer::Rejected => 255,
    };
    let numbers = wire.counted();
    wire.send(FromTarget::TaskManagement(TaskManagementResponse { response, task_tag, numbers }), b"")
}

fn attribute(code: u8) -> TaskAttribute {
    match code {
        2 => TaskAttribute::Ordered,
        3 => TaskAttribute::HeadOfQueue,
        4 => TaskAttribute::Aca,
        _ => TaskAttribute::Simple,
    }
}
