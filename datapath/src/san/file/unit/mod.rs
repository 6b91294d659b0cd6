//! One logical unit: a direct-access block device (SPC-4, SBC-3) over a disk. Commands go in one after the other; what is
//! refused has changed nothing.
//!
//! ```text
//!   command ─▶ unit attention? ─▶ known? ─▶ reserved by others? ─▶ well formed? ─▶ execute
//! ```

mod attention;
mod commands;
mod inquiry;
mod limits;
mod medium;
mod mode;
mod operations;
mod reserving;
mod verify;

use std::io;

use bytes::Bytes;

use self::attention::Attentions;
use super::absent::{answer, sense_data};
use super::config::DiskConfig;
use super::disk::Disk;
use super::error::FileSanError;
use super::reservation::{Access, Keeper, Reservations};
use crate::san::Identity;
use crate::scsi::{Cdb, Command, Opcode, Residual, Response, Sense, SenseCode, SenseKey, Status, Transfer};

/// A disk with all that SCSI says about it.
#[derive(Debug)]
pub struct LogicalUnit {
    name: String,
    disk: Disk,
    attentions: Attentions,
    reservations: Reservations,
    keeper: Keeper,
    /// RESERVE(6).
    reserved_by: Option<Identity>,
    /// By START STOP UNIT.
    stopped: bool,
}

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub response: Response,
    /// The response may be given only after [`LogicalUnit::sync`]; if that fails, not at all.
    pub durable: bool,
    /// Initiators whose waiting commands are to be ended.
    pub aborted: Vec<Identity>,
}

/// Why a command was not executed.
enum Refusal {
    Sense(Sense),
    Conflict,
}

/// What an executed command leaves.
enum Done {
    Good,
    /// Cut to what the initiator asked for.
    Data(Vec<u8>),
    Blocks(Bytes),
    /// GOOD once it is on the medium.
    Durable,
    Aborting(Vec<Identity>),
}

type Answer = Result<Done, Refusal>;

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Self::Sense(sense)
    }
}

impl LogicalUnit {
    /// Power on: opens the disk and takes up the reservations that were kept.
    pub fn open(config: &DiskConfig) -> Result<Self, FileSanError> {
        let disk = Disk::open(config)?;
        let keeper = Keeper::beside(&config.path);
        Ok(Self {
            name: config.name.clone(),
            disk,
            attentions: Attentions::default(),
            reservations: keeper.load()?,
            keeper,
            reserved_by: None,
            stopped: false,
        })
    }

    /// An initiator has logged in. RESERVE(6) does not outlive the login that made it.
    pub fn arrive(&mut self, identity: Identity) {
        self.attentions.arrive(identity);
        self.reserved_by = self.reserved_by.filter(|&it| it != identity);
    }

    /// An initiator is gone (I_T nexus loss; SAM-5, 6.3.4). Its persistent registration stays.
    pub fn depart(&mut self, identity: Identity) {
        self.attentions.depart(identity);
        self.reserved_by = self.reserved_by.filter(|&it| it != identity);
    }

    /// LOGICAL UNIT RESET (SAM-5, 6.3.3). Every initiator is told, also the one that asked for it.
    pub fn reset(&mut self) {
        self.attentions.reset();
        self.reserved_by = None;
        self.stopped = false;
    }

    pub fn announce_other_luns(&mut self, identity: Identity) {
        self.attentions.establish(identity, SenseCode::REPORTED_LUNS_CHANGED);
    }

    /// It has just seen them (SPC-4, 6.33).
    pub fn luns_were_reported(&mut self, identity: Identity) {
        self.attentions.withdraw(identity, SenseCode::REPORTED_LUNS_CHANGED);
    }

    /// Everything executed so far is on the medium after it.
    pub fn sync(&mut self) -> io::Result<()> {
        self.disk.sync()
    }

    /// Executes a command of this initiator.
    pub fn execute(&mut self, by: Identity, command: &Command) -> Outcome {
        let mut outcome = Outcome { response: self.good(command), durable: false, aborted: Vec::new() };
        match self.run(by, command) {
            Ok(Done::Good) => {}
            Ok(Done::Data(data)) => outcome.response = answer(command, data),
            Ok(Done::Blocks(blocks)) => outcome.response = Response::data(blocks, command),
            Ok(Done::Durable) => outcome.durable = true,
            Ok(Done::Aborting(aborted)) => outcome.aborted = aborted,
            // Less data than the CDB says: what was missing is told (RFC 7143, 11.4.5.1).
            Err(Refusal::Sense(sense)) if sense.code == SenseCode::INVALID_FIELD_IN_UNIT => {
                let residual = outcome.response.residual;
                outcome.response = Response { residual, ..Response::check_condition(sense) };
            }
            Err(Refusal::Sense(sense)) => outcome.response = Response::check_condition(sense),
            Err(Refusal::Conflict) => outcome.response = Response::with_status(Status::ReservationConflict),
        }
        outcome
    }

    /// GOOD without data from the device, and how much of the data for it was more than it takes.
    fn good(&self, command: &Command) -> Response {
        let response = Response::data(Bytes::new(), command);
        match command.cdb.transfer(self.disk.geometry().block_length) {
            Some(Transfer::Out(length)) => {
                let residual = Residual::between(length as usize, command.data_out.len());
                Response { residual, ..response }
            }
            _ => response,
        }
    }

    fn run(&mut self, by: Identity, command: &Command) -> Answer {
        let cdb = &command.cdb;
        if !passes_attentions(cdb.opcode())
            && let Some(code) = self.attentions.take(by)
        {
            return Err(Sense::unit_attention(code).into());
        }
        let supported = commands::find(cdb)?;
        self.check_reservations(by, cdb, supported.access)?;
        commands::check_fields(supported, cdb)?;
        self.dispatch(by, command)
    }

    fn dispatch(&mut self, by: Identity, command: &Command) -> Answer {
        let cdb = &command.cdb;
        match cdb.opcode() {
            Opcode::INQUIRY => self.inquiry(cdb),
            Opcode::REQUEST_SENSE => Ok(Done::Data(self.request_sense(by, cdb))),
            Opcode::TEST_UNIT_READY => self.check_ready().map(|()| Done::Good),
            Opcode::MODE_SENSE_6 | Opcode::MODE_SENSE_10 => self.mode_sense(cdb),
            Opcode::MAINTENANCE_IN => operations::report(cdb),
            Opcode::READ_CAPACITY_10 => self.read_capacity_10(),
            Opcode::SERVICE_ACTION_IN_16 => self.read_capacity_16(),
            Opcode::START_STOP_UNIT => self.start_stop(cdb),
            Opcode::RESERVE_6 => self.reserve_6(by),
            Opcode::RELEASE_6 => self.release_6(by),
            Opcode::PERSISTENT_RESERVE_IN => self.persistent_reserve_in(cdb),
            Opcode::PERSISTENT_RESERVE_OUT => self.persistent_reserve_out(by, command),
            // The target answers it, and knows all units.
            Opcode::REPORT_LUNS => Err(Sense::illegal_request(SenseCode::INVALID_OPCODE).into()),
            _ => self.medium(command),
        }
    }

    /// A stopped unit, and one whose medium is lost, take no command that needs it.
    fn check_ready(&self) -> Result<(), Refusal> {
        let (key, code) = match (self.disk.has_failed(), self.stopped) {
            (true, _) => (SenseKey::HardwareError, SenseCode::INTERNAL_TARGET_FAILURE),
            (_, true) => (SenseKey::NotReady, SenseCode::INITIALIZING_COMMAND_REQUIRED),
            _ => return Ok(()),
        };
        Err(Sense::new(key, code).into())
    }

    /// Tells, and so clears, a unit attention (SPC-4, 6.39).
    fn request_sense(&mut self, by: Identity, cdb: &Cdb) -> Vec<u8> {
        let attention = self.attentions.take(by).map(Sense::unit_attention);
        let state = || match self.check_ready() {
            Err(Refusal::Sense(sense)) => sense,
            _ => Sense::new(SenseKey::NoSense, SenseCode::NONE),
        };
        sense_data(cdb, attention.unwrap_or_else(state))
    }

    /// SBC-3, 5.25. Stopping makes durable what was written.
    fn start_stop(&mut self, cdb: &Cdb) -> Answer {
        const POWER_CONDITION: u8 = 0xf0;
        const LOAD_OR_EJECT: u8 = 0x02;
        const START: u8 = 0x01;
        let octet = cdb.octets()[4];
        if octet & (POWER_CONDITION | LOAD_OR_EJECT) != 0 {
            return Err(Sense::invalid_field(SenseCode::INVALID_FIELD_IN_CDB, 4, None).into());
        }
        self.stopped = octet & START == 0;
        Ok(if self.stopped { Done::Durable } else { Done::Good })
    }
}

/// Commands that a waiting unit attention does not stop (SAM-5, 5.14).
fn passes_attentions(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::INQUIRY | Opcode::REPORT_LUNS | Opcode::REQUEST_SENSE)
}

/// START STOP UNIT that starts is allowed under every persistent reservation (SBC-3, table 13).
fn needed(access: Access, cdb: &Cdb) -> Access {
    match cdb.opcode() {
        Opcode::START_STOP_UNIT if cdb.octets()[4] & 0xf1 == 0x01 => Access::Free,
        _ => access,
    }
}
