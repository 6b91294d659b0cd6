use bytes::Bytes;

use super::{Cdb, Lun, Sense, SenseCode, Status, TaskAttribute};

/// A SCSI command with its data, for one logical unit. A clone shares the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub lun: Lun,
    pub cdb: Cdb,
    pub attribute: TaskAttribute,
    /// What goes to the device: the Data-Out buffer, whole.
    pub data_out: Bytes,
    /// The most octets that the initiator takes in return: the size of its Data-In buffer.
    pub data_in_length: u32,
}

impl Command {
    /// A simple command without data.
    pub fn without_data(lun: Lun, cdb: Cdb) -> Self {
        Self { lun, cdb, attribute: TaskAttribute::Simple, data_out: Bytes::new(), data_in_length: 0 }
    }

    /// A simple command that reads up to `length` octets.
    pub fn reading(lun: Lun, cdb: Cdb, length: u32) -> Self {
        Self { data_in_length: length, ..Self::without_data(lun, cdb) }
    }

    /// A simple command that sends `data`.
    pub fn sending(lun: Lun, cdb: Cdb, data: impl Into<Bytes>) -> Self {
        Self { data_out: data.into(), ..Self::without_data(lun, cdb) }
    }
}

/// How a command ended, as the device server said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: Status,
    /// With CHECK CONDITION, unless the device sent none.
    pub sense: Option<Sense>,
    /// What came from the device: never more than the command's `data_in_length`.
    pub data_in: Bytes,
    pub residual: Residual,
}

/// How the transfer differed from what the initiator expected (SAM-5, clause 5.1; RFC 7143, 11.4.5.1), in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residual {
    #[default]
    Exact,
    /// So much less was transferred than expected.
    Underflow(u32),
    /// So much more would have been transferred, had there been room (Data-In) or data (Data-Out).
    Overflow(u32),
}

impl Response {
    /// GOOD, with no data and none expected.
    pub fn good() -> Self {
        Self::with_status(Status::Good)
    }

    /// A status without data and sense.
    pub fn with_status(status: Status) -> Self {
        Self { status, sense: None, data_in: Bytes::new(), residual: Residual::Exact }
    }

    /// CHECK CONDITION with this sense data; nothing was transferred.
    pub fn check_condition(sense: Sense) -> Self {
        Self { sense: Some(sense), ..Self::with_status(Status::CheckCondition) }
    }

    /// GOOD with this data, cut to the room that the command has for it.
    pub fn data(mut data: Bytes, command: &Command) -> Self {
        let room = command.data_in_length as usize;
        let residual = Residual::between(data.len(), room);
        data.truncate(room);
        Self { data_in: data, residual, ..Self::good() }
    }

    pub fn is_good(&self) -> bool {
        self.status == Status::Good
    }

    /// The additional sense code, if there is one.
    pub fn sense_code(&self) -> Option<SenseCode> {
        self.sense.as_ref().map(|sense| sense.code)
    }
}

impl Residual {
    /// Of a device that has `transferred` octets for an initiator that expected `expected`.
    pub fn between(transferred: usize, expected: usize) -> Self {
        let octets = u32::try_from(transferred.abs_diff(expected)).unwrap_or(u32::MAX);
        match transferred.cmp(&expected) {
            std::cmp::Ordering::Equal => Self::Exact,
            std::cmp::Ordering::Less => Self::Underflow(octets),
            std::cmp::Ordering::Greater => Self::Overflow(octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_never_outgrows_the_initiators_buffer() {
        let cdb = Cdb::inquiry(96);
        for (room, length, residual) in
            [(96, 96, Residual::Exact), (40, 40, Residual::Overflow(56)), (255, 96, Residual::Underflow(159))]
        {
            let command = Command::reading(Lun::ZERO, cdb, room);
            let response = Response::data(Bytes::from(vec![7; 96]), &command);
            assert_eq!((response.data_in.len(), response.residual), (length, residual));
        }
    }
}
