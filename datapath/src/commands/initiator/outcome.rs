//! The statuses that the agent itself gives, where no device server can.

use crate::scsi::{Response, Sense, SenseCode, SenseKey};

/// For a command that was sent to a home which is no longer the home, whose answer was lost, and which must not be sent
/// again: it may have been executed, and will not be any more.
///
/// CHECK CONDITION with ABORTED COMMAND, I_T NEXUS LOSS OCCURRED. The loss of the nexus is what ended it (SAM-5, 6.3.4);
/// ABORTED COMMAND leaves it to the application client whether it tries again (SPC-4, table 27), and the loss tells it that
/// it must look first: read the block, the registration or the page that it wanted to change. UNIT ATTENTION, BUSY and
/// TASK SET FULL would promise that nothing was executed (SAM-5, 5.3 and 5.14), and be answered by a retry.
pub fn outcome_unknown() -> Response {
    Response::check_condition(Sense::new(SenseKey::AbortedCommand, SenseCode::NEXUS_LOSS))
}

/// For a command that was sent and not answered before the time for I/O ran out: it may have been executed, and may still be.
pub fn timed_out() -> Response {
    Response::check_condition(Sense::new(SenseKey::AbortedCommand, SenseCode::COMMUNICATION_TIMEOUT))
}

/// For a command that nobody took before the time for I/O ran out: it was not executed, and will not be.
pub fn nobody_took_it() -> Response {
    Response::check_condition(Sense::new(SenseKey::NotReady, SenseCode::NOT_READY))
}

/// For a command whose answer makes no sense: it was executed in whatever way.
pub fn answer_without_sense() -> Response {
    Response::check_condition(Sense::new(SenseKey::AbortedCommand, SenseCode::DATA_PHASE_ERROR))
}
