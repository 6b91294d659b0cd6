use super::fields::Reader;
use super::{CommandError, CommandNumber};

/// A task management function (SAM-5, clause 7). It acts on what stands before it in the stream, and waits for no credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    /// Functions have numbers of their own, from 1 on.
    pub number: u64,
    pub lun: [u8; 8],
    pub function: Function,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    AbortTask(CommandNumber),
    AbortTaskSet,
    ClearTaskSet,
    ClearAca,
    LunReset,
}

/// How a function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskAnswer {
    pub number: u64,
    pub result: FunctionResult,
}

/// SAM-5, clause 7.1, with what RFC 7143, 11.6.1 adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionResult {
    Complete = 0,
    NoSuchTask = 1,
    NoSuchLun = 2,
    NotSupported = 3,
    NotAuthorized = 4,
    Rejected = 5,
}

/// Something that the agent should know, and that needs no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Other LUNs may be shown now than at the last REPORT LUNS.
    LunsChanged,
    /// The home is about to give the adapter up.
    HomeLeaving,
    /// The oldest command has been with the SAN for so many ms.
    ArraySlow(u32),
}

impl TaskManagement {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let (kind, about) = match self.function {
            Function::AbortTask(command) => (1, command.0),
            Function::AbortTaskSet => (2, 0),
            Function::ClearTaskSet => (3, 0),
            Function::ClearAca => (4, 0),
            Function::LunReset => (5, 0),
        };
        into.extend(self.number.to_be_bytes());
        into.extend(self.lun);
        into.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        into.extend(about.to_be_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let number = function_number(fields)?;
        let lun = fields.array("the LUN")?;
        let kind = fields.u8("the function")?;
        fields.skip(7)?;
        let function = match (kind, fields.u64("the command to abort")?) {
            (1, 0) => return Err(CommandError::Unknown { field: "the command to abort", value: 0 }),
            (1, command) => Function::AbortTask(CommandNumber(command)),
            (2, 0) => Function::AbortTaskSet,
            (3, 0) => Function::ClearTaskSet,
            (4, 0) => Function::ClearAca,
            (5, 0) => Function::LunReset,
            (2..=5, command) => return Err(CommandError::Unknown { field: "the command to abort", value: command }),
            _ => return Err(CommandError::Unknown { field: "the function", value: kind.into() }),
        };
        Ok(Self { number, lun, function })
    }
}

impl FunctionResult {
    const ALL: [Self; 6] =
        [Self::Complete, Self::NoSuchTask, Self::NoSuchLun, Self::NotSupported, Self::NotAuthorized, Self::Rejected];
}

impl TaskAnswer {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.extend(self.number.to_be_bytes());
        into.extend([self.result as u8, 0, 0, 0, 0, 0, 0, 0]);
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let number = function_number(fields)?;
        let octet = fields.u8("the function's result")?;
        let result = FunctionResult::ALL.into_iter().find(|it| *it as u8 == octet);
        let result = result.ok_or(CommandError::Unknown { field: "the function's result", value: octet.into() })?;
        fields.skip(7)?;
        Ok(Self { number, result })
    }
}

impl Notice {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let (kind, number) = match *self {
            Self::LunsChanged => (1, 0),
            Self::HomeLeaving => (2, 0),
            Self::ArraySlow(waits_ms) => (3, waits_ms),
        };
        into.extend([kind, 0, 0, 0]);
        into.extend(number.to_be_bytes());
    }

    pub(super) fn parse(fields: &mut Reader<'_>) -> Result<Self, CommandError> {
        let kind = fields.u8("the notice")?;
        fields.skip(3)?;
        match (kind, fields.u32("the notice's number")?) {
            (1, 0) => Ok(Self::LunsChanged),
            (2, 0) => Ok(Self::HomeLeaving),
            (3, waits_ms) => Ok(Self::ArraySlow(waits_ms)),
            (1 | 2, number) => Err(CommandError::Unknown { field: "the notice's number", value: number.into() }),
            _ => Err(CommandError::Unknown { field: "the notice", value: kind.into() }),
        }
    }
}

fn function_number(fields: &mut Reader<'_>) -> Result<u64, CommandError> {
    match fields.u64("the function's number")? {
        0 => Err(CommandError::Unknown { field: "the function's number", value: 0 }),
        number => Ok(number),
    }
}
