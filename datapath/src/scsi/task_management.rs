use std::fmt;

use super::Lun;

/// A task management function for one logical unit (SAM-5, clause 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    pub lun: Lun,
    pub function: TaskFunction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFunction {
    /// Ends the command that this I_T nexus sent with this tag.
    AbortTask {
        tag: u64,
    },
    /// Ends all commands of this I_T nexus at the logical unit.
    AbortTaskSet,
    /// Ends all commands of all I_T nexuses at the logical unit.
    ClearTaskSet,
    ClearAca,
    /// Ends all commands at the logical unit, releases RESERVE(6), and tells every other I_T nexus by a unit attention.
    /// Once it is answered, no command that came before it touches the medium any more.
    LunReset,
}

/// How a task management function ended (SAM-5, clause 7.1, with what RFC 7143, 11.6.1 adds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskAnswer {
    /// FUNCTION COMPLETE: done; the commands that it was to end do not exist any more.
    Complete,
    /// The command with the given tag does not exist: it ended before, or never came.
    NoSuchTask,
    /// INCORRECT LOGICAL UNIT NUMBER.
    NoSuchLun,
    /// The device server does not have this function.
    NotSupported,
    /// The initiator may not ask for it.
    NotAuthorized,
    /// FUNCTION REJECTED, or an answer that is none of the above.
    Rejected,
}

impl TaskAnswer {
    /// After this answer the commands that the function names are certainly dead or finished.
    pub fn is_complete(self) -> bool {
        self == Self::Complete
    }
}

impl fmt::Display for TaskFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AbortTask { tag } => write!(f, "ABORT TASK {tag}"),
            Self::AbortTaskSet => f.pad("ABORT TASK SET"),
            Self::ClearTaskSet => f.pad("CLEAR TASK SET"),
            Self::ClearAca => f.pad("CLEAR ACA"),
            Self::LunReset => f.pad("LOGICAL UNIT RESET"),
        }
    }
}

impl fmt::Display for TaskAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Complete => "function complete",
            Self::NoSuchTask => "no such task",
            Self::NoSuchLun => "no such logical unit",
            Self::NotSupported => "function not supported",
            Self::NotAuthorized => "not authorized",
            Self::Rejected => "function rejected",
        })
    }
}
