//! SCSI commands over the rails: from a server's agent ([`Initiator`]) to the vHBA's home director ([`Target`]), which has
//! the vHBA's login to the SAN. Both are engines without I/O; [`tcp`] moves their messages.
//!
//! ```text
//!   exports ── submit, manage ─▶ Initiator ══ rail A or B ══▶ Target ── submit, manage ─▶ san::Session
//!           ◀─ Completed ───────     │     ◀═════════════════   │    ◀─ reports ─────────
//!                           numbers, keeps, sends       knows each number,
//!                           again until answered        keeps answers until acknowledged
//! ```
//!
//! **Order.** An agent numbers the commands of a vHBA as they are submitted, and sends them in that order. A home hands them
//! to the SAN in that order, whatever connections they come by: so commands of one LUN reach the SAN's session as they were
//! submitted. Which of several commands in flight the array executes first is the array's choice, as their task attributes
//! allow (SAM-5, clause 8).
//!
//! **Replay.** The same epoch, another connection: everything that has no answer is sent again under its number, and the
//! home executes each number of an (epoch, agent's incarnation) at most once; an answer that was lost on its way is given
//! again, not made again. A higher epoch, or another *instance* of the home in the same epoch (it has another session at the
//! SAN: the former one was lost, its lease had lapsed, or its process was started again), after the fence: what [`crate::scsi::replay`] calls safe is sent again in the old
//! order, before anything new; what is not, and was sent before, is not sent again: it ends with
//! [`initiator::outcome_unknown`]. What was never sent goes to the new home, whatever it is.
//!
//! **Answers.** Each submitted command is answered exactly once, or named as ended by a task management function. An answer
//! of another epoch than the present one, or of a connection that was given up, reaches nobody.
//!
//! **Who may.** A target serves one (adapter, epoch): the server that the adapter is bound to, its newest agent, that agent's
//! newest connection. It stops when it is told to, and for good when its session at the SAN ends, since nobody knows then
//! what became of the commands in flight: their outcome is decided by a fence, and another target.
//!
//! **Memory.** A director holds for a vHBA no more than the highest [`Credits`] that it gave to the agent, whatever that
//! wants and however slow the SAN is: what is received counts until its answer is acknowledged. Credits that are lowered
//! bind what was never sent before.
//!
//! [`Credits`]: twinrail_proto::rail::command::Credits

pub mod initiator;
pub mod stream;
pub mod target;
pub mod tcp;
mod words;

pub use initiator::Initiator;
pub use target::Target;

use bytes::Bytes;
use twinrail_proto::rail::command::Head;

/// A connection between an agent and a director, as the engines call it. Never used again after it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A message with its data. A clone shares the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub head: Head,
    pub data: Bytes,
}

/// Task management functions that an agent may have unanswered: each ends many commands, so few are ever needed.
pub const MAX_FUNCTIONS: usize = 64;
