//! Which commands may be sent a second time, when a takeover lost their answers and nobody knows whether the first
//! sending was executed.
//!
//! A command may be replayed when executing it twice in a row leaves the same medium, the same device state and the same
//! answer as executing it once. The replayed one goes out after the fence (the first sending is dead or finished at the
//! target) and before any new command of its vHBA, so nothing of the same initiator comes in between; only commands that
//! were never acknowledged are replayed, so the initiator has built on none of them. What another initiator of a shared
//! LUN does in between is ordered by its own means, reservations above all: they are in force again before the replay.
//!
//! Everything that is not known to be harmless is never replayed: its initiator gets the status that makes it decide.

use super::{Cdb, Opcode};

/// What may be done with a command whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Twice is as good as once.
    Safe,
    Never(Reason),
}

/// Why a second execution could do harm, or lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It acts only on a condition that its own first execution may have made false (COMPARE AND WRITE): the second one
    /// would report a miscompare for what was done.
    Conditional,
    /// It reads what it writes (XDWRITE, ORWRITE): twice is not once, or what others wrote in between would be mixed in.
    ReadsWhatItWrites,
    /// It decides who may use the logical unit (PERSISTENT RESERVE OUT, RESERVE, RELEASE): after a first execution the
    /// second one may be refused, or undo what others have reserved since.
    Reservation,
    /// It changes the device, not only its blocks (MODE SELECT, FORMAT UNIT, START STOP UNIT, …), under other initiators.
    ChangesDevice,
    /// It may go on in the background, or move data elsewhere (EXTENDED COPY).
    Lasting,
    /// Vendor specific, reserved, or newer than what we know.
    Unknown,
}

/// Whether this command may be sent again. By the opcode and, where one opcode stands for many commands, by the service
/// action.
pub fn replay(cdb: &Cdb) -> Replay {
    match cdb.opcode() {
        Opcode::SERVICE_ACTION_IN_16 | Opcode::MAINTENANCE_IN | Opcode::MAINTENANCE_OUT => by_service_action(cdb),
        opcode if reports(opcode) || moves_blocks(opcode) => Replay::Safe,
        opcode => Replay::Never(reason(opcode)),
    }
}

/// Changes nothing. REQUEST SENSE may take a unit attention with it; a takeover clears those anyway.
fn reports(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::TEST_UNIT_READY
            | Opcode::REQUEST_SENSE
            | Opcode::INQUIRY
            | Opcode::MODE_SENSE_6
            | Opcode::MODE_SENSE_10
            | Opcode::LOG_SENSE
            | Opcode::READ_CAPACITY_10
            | Opcode::PERSISTENT_RESERVE_IN
            | Opcode::REPORT_LUNS
    )
}

/// Reads blocks, or gives them a content that does not depend on the one before.
fn moves_blocks(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::READ_6
            | Opcode::READ_10
            | Opcode::READ_12
            | Opcode::READ_16
            | Opcode::WRITE_6
            | Opcode::WRITE_10
            | Opcode::WRITE_12
            | Opcode::WRITE_16
            | Opcode::WRITE_AND_VERIFY_10
            | Opcode::WRITE_AND_VERIFY_12
            | Opcode::WRITE_AND_VERIFY_16
            | Opcode::VERIFY_10
            | Opcode::VERIFY_12
            | Opcode::VERIFY_16
            | Opcode::PRE_FETCH_10
            | Opcode::PRE_FETCH_16
            | Opcode::SYNCHRONIZE_CACHE_10
            | Opcode::SYNCHRONIZE_CACHE_16
            | Opcode::WRITE_SAME_10
            | Opcode::WRITE_SAME_16
            | Opcode::UNMAP
    )
}

fn by_service_action(cdb: &Cdb) -> Replay {
    let action = cdb.service_action().unwrap_or_default();
    match (cdb.opcode(), action) {
        (Opcode::SERVICE_ACTION_IN_16, Cdb::READ_CAPACITY_16 | Cdb::GET_LBA_STATUS)
        | (
            Opcode::MAINTENANCE_IN,
            Cdb::REPORT_TARGET_PORT_GROUPS
            | Cdb::REPORT_SUPPORTED_OPERATION_CODES
            | Cdb::REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
        ) => Replay::Safe,
        (Opcode::MAINTENANCE_OUT, _) => Replay::Never(Reason::ChangesDevice),
        _ => Replay::Never(Reason::Unknown),
    }
}

fn reason(opcode: Opcode) -> Reason {
    match opcode {
        Opcode::COMPARE_AND_WRITE => Reason::Conditional,
        Opcode::XDWRITE_10 | Opcode::XPWRITE_10 | Opcode::XDWRITEREAD_10 | Opcode::ORWRITE_16 => {
            Reason::ReadsWhatItWrites
        }
        Opcode::PERSISTENT_RESERVE_OUT
        | Opcode::RESERVE_6
        | Opcode::RELEASE_6
        | Opcode::RESERVE_10
        | Opcode::RELEASE_10 => Reason::Reservation,
        Opcode::MODE_SELECT_6
        | Opcode::MODE_SELECT_10
        | Opcode::FORMAT_UNIT
        | Opcode::START_STOP_UNIT
        | Opcode::PREVENT_ALLOW_MEDIUM_REMOVAL
        | Opcode::SEND_DIAGNOSTIC => Reason::ChangesDevice,
        Opcode::EXTENDED_COPY => Reason::Lasting,
        _ => Reason::Unknown,
    }
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Conditional => "acts on a condition",
            Self::ReadsWhatItWrites => "reads what it writes",
            Self::Reservation => "decides who may use the logical unit",
            Self::ChangesDevice => "changes the device",
            Self::Lasting => "may go on in the background",
            Self::Unknown => "is not known",
        }
    }
}
