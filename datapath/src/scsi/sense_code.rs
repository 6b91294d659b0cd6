use std::fmt;

/// The additional sense code and its qualifier: what exactly was wrong (SPC-4, annex E.2). Those that we make or act on
/// have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenseCode {
    pub asc: u8,
    pub ascq: u8,
}

macro_rules! codes {
    ($($constant:ident = $asc:literal $ascq:literal, $name:literal;)*) => {
        impl SenseCode {
            $(pub const $constant: Self = Self { asc: $asc, ascq: $ascq };)*

            /// What the standard calls it; None: unknown to us.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    NONE = 0x00 0x00, "no additional sense information";
    NOT_READY = 0x04 0x00, "logical unit not ready, cause not reportable";
    BECOMING_READY = 0x04 0x01, "logical unit is in process of becoming ready";
    INITIALIZING_COMMAND_REQUIRED = 0x04 0x02, "logical unit not ready, initializing command required";
    COMMUNICATION_TIMEOUT = 0x08 0x01, "logical unit communication time-out";
    WRITE_ERROR = 0x0c 0x00, "write error";
    INVALID_FIELD_IN_UNIT = 0x0e 0x03, "invalid field in command information unit";
    UNRECOVERED_READ_ERROR = 0x11 0x00, "unrecovered read error";
    PARAMETER_LIST_LENGTH_ERROR = 0x1a 0x00, "parameter list length error";
    MISCOMPARE = 0x1d 0x00, "miscompare during verify operation";
    INVALID_OPCODE = 0x20 0x00, "invalid command operation code";
    LBA_OUT_OF_RANGE = 0x21 0x00, "logical block address out of range";
    INVALID_FIELD_IN_CDB = 0x24 0x00, "invalid field in CDB";
    LUN_NOT_SUPPORTED = 0x25 0x00, "logical unit not supported";
    INVALID_FIELD_IN_PARAMETERS = 0x26 0x00, "invalid field in parameter list";
    INVALID_RELEASE = 0x26 0x04, "invalid release of persistent reservation";
    WRITE_PROTECTED = 0x27 0x00, "write protected";
    SPACE_ALLOCATION_FAILED = 0x27 0x07, "space allocation failed write protect";
    POWER_ON_OR_RESET = 0x29 0x00, "power on, reset, or bus device reset occurred";
    POWER_ON = 0x29 0x01, "power on occurred";
    DEVICE_RESET = 0x29 0x03, "bus device reset function occurred";
    NEXUS_LOSS = 0x29 0x07, "I_T nexus loss occurred";
    MODE_PARAMETERS_CHANGED = 0x2a 0x01, "mode parameters changed";
    RESERVATIONS_PREEMPTED = 0x2a 0x03, "reservations preempted";
    RESERVATIONS_RELEASED = 0x2a 0x04, "reservations released";
    REGISTRATIONS_PREEMPTED = 0x2a 0x05, "registrations preempted";
    CAPACITY_CHANGED = 0x2a 0x09, "capacity data has changed";
    COMMANDS_CLEARED = 0x2f 0x00, "commands cleared by another initiator";
    SAVING_NOT_SUPPORTED = 0x39 0x00, "saving parameters not supported";
    INQUIRY_DATA_CHANGED = 0x3f 0x03, "inquiry data has changed";
    REPORTED_LUNS_CHANGED = 0x3f 0x0e, "reported LUNs data has changed";
    INTERNAL_TARGET_FAILURE = 0x44 0x00, "internal target failure";
    TOO_MUCH_WRITE_DATA = 0x4b 0x02, "too much write data";
    DATA_PHASE_ERROR = 0x4b 0x00, "data phase error";
    INSUFFICIENT_REGISTRATION_RESOURCES = 0x55 0x04, "insufficient registration resources";
}

/// As `24/00 (invalid field in CDB)`.
impl fmt::Display for SenseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}/{:02x}", self.asc, self.ascq)?;
        self.name().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}
