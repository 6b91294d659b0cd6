use std::collections::BTreeSet;
use std::time::Duration;

use twinrail_proto::domain::Epoch;

use super::{Identity, LoginNumber, LoginRefusal, Lun, Phase, Registration};

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Begin a login, through the security stage: one that starts in the operational stage skips reinstatement.
    LogIn {
        login: LoginNumber,
        identity: Identity,
    },
    /// Ask for a lease grant now, with a request sent after this effect; then [`super::Event::Confirmed`] with this number.
    /// Renewals that are sent later serve as well.
    Confirm {
        number: u64,
    },
    /// Send REPORT LUNS (SPC-4, clause 6.33).
    ReportLuns,
    /// Send TEST UNIT READY (SPC-4, clause 6.47).
    TestUnitReady(Lun),
    /// Send LUN RESET (SAM-5, clause 7.7).
    ResetLun(Lun),
    /// Send PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY, then RESERVE if a reservation was held (SPC-4, clause
    /// 6.16).
    Register {
        lun: Lun,
        registration: Registration,
    },
    /// The vHBA may have lost its reservation to somebody: nothing unanswered of this LUN is replayed; end all of it with the
    /// status that makes its initiator decide.
    GiveBack(Lun),
    /// Send what is unanswered for these LUNs as [`super::plan_replay`] says, then say [`super::Heard::Replayed`].
    Replay(BTreeSet<Lun>),
    /// New commands to these LUNs go out from now on. Those to a LUN that is shown, but was not admitted, wait.
    Admit(BTreeSet<Lun>),
    /// These LUNs are not shown any more: no command to them goes out until they are admitted again.
    Withdraw(BTreeSet<Lun>),
    /// Nothing of the initiator goes out to any LUN until it is admitted again, nor what is left of a replay: it waits. What is
    /// in flight goes on, if its session does.
    Hold,
    /// Cut the connection without a word and hold: nothing more goes out. What was in flight has an unknown outcome.
    Stop,
    LogOut,
    /// Say that this director has let go of the vHBA: it sends nothing any more.
    Released(Epoch),
    /// To be logged, counted and shown; nothing else.
    Report(Report),
}

/// What an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// It goes on waiting.
    #[error("{phase} has taken {waited:?} so far")]
    Slow { phase: Phase, waited: Duration },
    #[error("the login was refused ({cause:?}); it is tried again in {retry:?}")]
    LoginRefused { cause: LoginRefusal, retry: Duration },
    #[error("the login was not answered; it is tried again in {retry:?}")]
    LoginUnanswered { retry: Duration },
    #[error("the session was lost in {phase}: the fence starts again")]
    SessionLost { phase: Phase },
    #[error("LUN RESET of {0:?} was rejected: its commands wait, and the reset is tried again")]
    ResetRejected(Lun),
    #[error("LUN RESET of {0:?} has not been answered: its commands wait")]
    ResetUnanswered(Lun),
    #[error("{0:?} was shown, and does not exist")]
    LunGone(Lun),
    #[error("{0:?} did not take the vHBA's registration again: nothing is replayed there")]
    RegistrationRefused(Lun),
    #[error("the SAN shows {shown} LUNs: only the first {limit} are used")]
    TooManyLuns { shown: usize, limit: usize },
    #[error("the logout was not answered: the connection was cut")]
    LogoutUnanswered,
    #[error("commands were unanswered when the vHBA had to be let go")]
    Unfinished,
    #[error("named epoch {named}, where {newest} was seen before")]
    OldEpoch { named: Epoch, newest: Epoch },
}
