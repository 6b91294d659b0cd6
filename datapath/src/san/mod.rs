//! Storage area networks, as one thread of a director uses them: a [`San`] is where a vHBA logs in, a [`Session`] is the
//! vHBA logged in there.
//!
//! ```text
//!            log_in            submit, manage
//!   thread ─────────▶ Session ────────────────▶ ═══ the SAN ═══
//!          ◀───────── poll: LoggedIn, Completed, Managed, LunsChanged, Ended
//!
//!   logging in ──LoggedIn──▶ open ──log_out, loss──▶ ended (Ended is the last report; nothing comes after it)
//!        └──────────────refused, loss──────────────────▲
//! ```
//!
//! **No call waits.** The thread waits on [`Session::fd`] (readable: there is something to poll) until
//! [`Session::next_deadline`], then polls. A session has no other clock than the `now` that it is given.
//!
//! **Buffers.** A command belongs to the session from `submit` on, until its report; then to nobody. Its data is shared
//! ([`bytes::Bytes`]): who may have to send it again keeps a clone, which copies nothing. Data that came in belongs to
//! whoever took the report.
//!
//! **Every command ends in one of three ways.** It is reported as `Completed`. Or a task management function of the same
//! session ends it: when that is reported as [`TaskAnswer::Complete`], it is dead or finished, and gets no report of its
//! own. Or the session ends: then nobody knows whether it was executed, *or will be executed later*, since a target may
//! still hold it. A session never sends anything twice, and never logs in again by itself: what may be done after a loss
//! is decided above it (`scsi::replay`, after the fence).
//!
//! **Unit attentions** are not swallowed: the command that met one is `Completed` with it. One that says that the LUNs
//! have changed is reported as [`Report::LunsChanged`] as well.

pub mod chaos;
pub mod file;
pub mod iscsi;

use std::os::fd::BorrowedFd;

use twinrail_proto::domain::{AdapterId, Wwn};

use crate::rail::Nanos;
use crate::scsi::{Command, Response, SenseCode, TaskAnswer, TaskManagement};

/// Names a command or a task management function in one session, until it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// What tells the sessions of one initiator apart, and is kept over takeovers: an iSCSI ISID (RFC 7143, 10.9.1) where the
/// SAN is iSCSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 6]);

impl SessionId {
    /// The same in every epoch and at every director, whichever SAN it is: a vHBA's id is never given again. An ISID of the
    /// random kind (RFC 7143, 11.12.5: type 10b): the id's lower octets are B and C, its highest one is in D.
    pub fn of(adapter: AdapterId) -> Self {
        let [highest, high, low, lowest] = adapter.0.to_be_bytes();
        Self([0x80, high, low, lowest, 0, highest])
    }
}

/// Who logs in. The same identity again is the same I_T nexus: the target ends the session that it had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub wwpn: Wwn,
    pub session: SessionId,
}

/// What a SAN promises, for those who take a vHBA over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Character {
    /// Directors on other machines reach the same LUNs by it.
    pub shared_between_machines: bool,
    /// A login of the same identity is answered only when every command of the former one is dead or finished: it is a
    /// fence by itself. Else a takeover needs a LUN RESET.
    pub login_fences: bool,
    /// One line for people.
    pub description: String,
}

/// A place where vHBAs log in.
pub trait San: Send + Sync {
    fn character(&self) -> Character;
    /// Begins a login. Whether it succeeds is reported by the session; an error is what is known at once.
    fn log_in(&self, identity: Identity, now: Nanos) -> Result<Box<dyn Session>, SessionEnd>;
}

/// A vHBA at a SAN. Dropping it cuts the connection without a word, as the death of a director does.
pub trait Session: Send {
    /// Hands a command over. The tag must be none of those in flight.
    fn submit(&mut self, tag: Tag, command: Command, now: Nanos) -> Result<(), Refused>;
    /// Asks for a task management function. Its tag is of the same numbers as those of commands.
    fn manage(&mut self, tag: Tag, request: TaskManagement, now: Nanos) -> Result<(), NotTaken>;
    /// Does what can be done now, and adds what happened since the last poll to `into`, in the order of happening.
    fn poll(&mut self, now: Nanos, into: &mut Vec<Report>);
    /// Says goodbye. `Ended` with [`SessionEnd::LoggedOut`] follows; what is in flight may or may not be executed.
    fn log_out(&mut self, now: Nanos);
    /// Readable when a poll would do something. The same descriptor for the session's whole life; None: look again at the
    /// deadline.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// When a poll would do something though nothing becomes readable.
    fn next_deadline(&self) -> Option<Nanos>;
}

/// What a poll brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The target has admitted this identity. Commands are taken from now on.
    LoggedIn,
    Completed {
        tag: Tag,
        response: Response,
    },
    Managed {
        tag: Tag,
        answer: TaskAnswer,
    },
    /// Other LUNs may be shown now than at the last REPORT LUNS.
    LunsChanged,
    /// The last report. What was in flight has an unknown outcome.
    Ended(SessionEnd),
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    #[error("logged out")]
    LoggedOut,
    /// The same identity logged in elsewhere.
    #[error("replaced by a new login of the same identity")]
    Replaced,
    /// The target does not admit this initiator: to try again is of no use until somebody changes something.
    #[error("the target refused the login: {0}")]
    Denied(String),
    /// The target is there, and does not take logins now.
    #[error("the target is not available: {0}")]
    Unavailable(String),
    #[error("could not {operation}: {reason}")]
    Connection { operation: &'static str, reason: String },
    /// No sign of life for this time.
    #[error("the target did not answer for {0:?}")]
    Silent(std::time::Duration),
    #[error("the target closed the session")]
    Closed,
    /// The target broke the protocol, so that nothing after it can be trusted.
    #[error("the target broke the protocol: {0}")]
    Protocol(String),
}

/// A command that was not taken, with the reason. Nothing of it was sent.
#[derive(Debug)]
pub struct Refused {
    pub command: Command,
    pub why: NotTaken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The login has not been answered, or the session has ended.
    #[error("the session is not open")]
    NotOpen,
    /// As many are in flight as the session takes; try again after a report.
    #[error("the session holds as many commands as it takes")]
    Full,
}

impl Report {
    /// The report of a completion, and what its sense data says beside that.
    pub fn completed(tag: Tag, response: Response, into: &mut Vec<Self>) {
        let luns_changed = response.sense_code() == Some(SenseCode::REPORTED_LUNS_CHANGED);
        into.push(Self::Completed { tag, response });
        if luns_changed {
            into.push(Self::LunsChanged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_of_the_random_kind_and_tell_all_adapters_apart() {
        assert_eq!(SessionId::of(AdapterId(0x0403_0201)).0, [0x80, 0x03, 0x02, 0x01, 0, 0x04]);
        let ids: std::collections::BTreeSet<_> = (0..32).map(|bit| SessionId::of(AdapterId(1 << bit))).collect();
        assert_eq!(ids.len(), 32);
    }
}
