use crate::nbd::Errno;
use crate::scsi::{Response, Sense, SenseCode, SenseKey, Status};

/// What becomes of a command after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was executed.
    Done,
    /// It was not executed, and there is no reason to wait.
    Again,
    /// It was not executed, since the unit cannot now: again after a pause.
    Hold,
    /// It was not executed. An earlier write that was acknowledged did not reach the medium: the next flush must fail.
    AgainAfterLoss,
    /// The unit does not know the command or a field of it: another one may do.
    Unsupported,
    Fail(Errno),
}

/// How an answer is judged, as the initiators of operating systems do.
///
/// | status, sense | verdict |
/// |---|---|
/// | GOOD, CONDITION MET | done |
/// | BUSY, TASK SET FULL, ACA ACTIVE | hold |
/// | TASK ABORTED | again |
/// | RESERVATION CONFLICT | `Permission` |
/// | deferred sense (SPC-4, 4.5.5) | again, and the next flush fails |
/// | NO SENSE, RECOVERED ERROR, COMPLETED | done |
/// | UNIT ATTENTION, ABORTED COMMAND | again |
/// | NOT READY: in process of becoming ready, or for no reason that it gives | hold |
/// | NOT READY for another reason | `Io` |
/// | ILLEGAL REQUEST: operation code, field in CDB or in parameters | unsupported |
/// | ILLEGAL REQUEST: LBA out of range | `NoSpace` for what writes, else `Invalid` |
/// | ILLEGAL REQUEST for another reason (no such logical unit, …) | `Io` |
/// | DATA PROTECT: space allocation failed | `NoSpace` |
/// | DATA PROTECT for another reason | `Permission` |
/// | VOLUME OVERFLOW | `NoSpace` |
/// | MEDIUM ERROR, HARDWARE ERROR, all other keys; CHECK CONDITION without sense | `Io` |
pub fn judge(response: &Response, writes: bool) -> Verdict {
    match response.status {
        Status::Good | Status::ConditionMet => Verdict::Done,
        Status::Busy | Status::TaskSetFull | Status::AcaActive => Verdict::Hold,
        Status::TaskAborted => Verdict::Again,
        Status::ReservationConflict => Verdict::Fail(Errno::Permission),
        Status::CheckCondition => response.sense.as_ref().map_or(Verdict::Fail(Errno::Io), |it| by_sense(it, writes)),
    }
}

fn by_sense(sense: &Sense, writes: bool) -> Verdict {
    if sense.deferred {
        return Verdict::AgainAfterLoss;
    }
    match sense.key {
        SenseKey::NoSense | SenseKey::RecoveredError | SenseKey::Completed => Verdict::Done,
        SenseKey::UnitAttention | SenseKey::AbortedCommand => Verdict::Again,
        SenseKey::NotReady => not_ready(sense.code),
        SenseKey::IllegalRequest => illegal(sense.code, writes),
        SenseKey::DataProtect if sense.code == SenseCode::SPACE_ALLOCATION_FAILED => Verdict::Fail(Errno::NoSpace),
        SenseKey::DataProtect => Verdict::Fail(Errno::Permission),
        SenseKey::VolumeOverflow => Verdict::Fail(Errno::NoSpace),
        SenseKey::MediumError
        | SenseKey::HardwareError
        | SenseKey::BlankCheck
        | SenseKey::VendorSpecific
        | SenseKey::CopyAborted
        | SenseKey::Reserved
        | SenseKey::Miscompare => Verdict::Fail(Errno::Io),
    }
}

fn not_ready(code: SenseCode) -> Verdict {
    match code {
        SenseCode::BECOMING_READY | SenseCode::NOT_READY => Verdict::Hold,
        _ => Verdict::Fail(Errno::Io),
    }
}

fn illegal(code: SenseCode, writes: bool) -> Verdict {
    match code {
        SenseCode::INVALID_OPCODE | SenseCode::INVALID_FIELD_IN_CDB | SenseCode::INVALID_FIELD_IN_PARAMETERS => {
            Verdict::Unsupported
        }
        SenseCode::LBA_OUT_OF_RANGE if writes => Verdict::Fail(Errno::NoSpace),
        SenseCode::LBA_OUT_OF_RANGE => Verdict::Fail(Errno::Invalid),
        _ => Verdict::Fail(Errno::Io),
    }
}
