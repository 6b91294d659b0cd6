use std::fmt;

/// How a command ended (SAM-5, table 42).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    Good = 0x00,
    CheckCondition = 0x02,
    ConditionMet = 0x04,
    /// The logical unit cannot take the command now.
    Busy = 0x08,
    /// Somebody else's reservation forbids the command.
    ReservationConflict = 0x18,
    /// The logical unit holds as many commands as it can.
    TaskSetFull = 0x28,
    AcaActive = 0x30,
    /// Another I_T nexus ended the command.
    TaskAborted = 0x40,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:#04x} is no SCSI status")]
pub struct UnknownStatus(pub u8);

impl Status {
    const ALL: [Self; 8] = [
        Self::Good,
        Self::CheckCondition,
        Self::ConditionMet,
        Self::Busy,
        Self::ReservationConflict,
        Self::TaskSetFull,
        Self::AcaActive,
        Self::TaskAborted,
    ];

    pub fn to_u8(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Status {
    type Error = UnknownStatus;

    fn try_from(octet: u8) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.to_u8() == octet).ok_or(UnknownStatus(octet))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "GOOD",
            Self::CheckCondition => "CHECK CONDITION",
            Self::ConditionMet => "CONDITION MET",
            Self::Busy => "BUSY",
            Self::ReservationConflict => "RESERVATION CONFLICT",
            Self::TaskSetFull => "TASK SET FULL",
            Self::AcaActive => "ACA ACTIVE",
            Self::TaskAborted => "TASK ABORTED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_octets_of_the_table_are_statuses() {
        let known: Vec<u8> = (0..=255).filter(|&octet| Status::try_from(octet).is_ok()).collect();
        assert_eq!(known, [0x00, 0x02, 0x04, 0x08, 0x18, 0x28, 0x30, 0x40]);
        for octet in known {
            assert_eq!(Status::try_from(octet).map(Status::to_u8), Ok(octet));
        }
        assert_eq!(Status::try_from(0x10), Err(UnknownStatus(0x10)));
    }
}
