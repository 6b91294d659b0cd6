use super::header::bit;
use super::{Header, PduError, Serial, Stage};

/// What an initiator sends: the headers, by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromInitiator {
    NopOut(NopOut),
    ScsiCommand(ScsiCommand),
    TaskManagement(TaskManagementRequest),
    Login(LoginRequest),
    Text(TextRequest),
    DataOut(DataOut),
    Logout(LogoutRequest),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitiatorNumbers {
    pub cmd_sn: Serial,
    pub exp_stat_sn: Serial,
}

/// RFC 7143, 11.18. The data segment is ping data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NopOut {
    pub immediate: bool,
    pub lun: [u8; 8],
    /// [`super::NO_TAG`]: no answer is wanted.
    pub task_tag: u32,
    /// Of the NOP-In that this answers, or [`super::NO_TAG`].
    pub transfer_tag: u32,
    pub numbers: InitiatorNumbers,
}

/// RFC 7143, 11.3. The data segment is immediate data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScsiCommand {
    pub immediate: bool,
    /// No unsolicited Data-Out follows.
    pub last: bool,
    pub read: bool,
    pub write: bool,
    /// 0 untagged, 1 simple, 2 ordered, 3 head of queue, 4 ACA.
    pub attribute: u8,
    pub lun: [u8; 8],
    pub task_tag: u32,
    /// In octets.
    pub expected_length: u32,
    pub numbers: InitiatorNumbers,
    pub cdb: [u8; 16],
}

/// RFC 7143, 11.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagementRequest {
    pub immediate: bool,
    /// 1 ABORT TASK … 5 LOGICAL UNIT RESET … (RFC 7143, 11.5.1; RFC 7144, 4.1.3).
    pub function: u8,
    pub lun: [u8; 8],
    pub task_tag: u32,
    /// The task to abort, or [`super::NO_TAG`].
    pub referenced_tag: u32,
    pub numbers: InitiatorNumbers,
    /// The CmdSN of the task to abort.
    pub referenced_cmd_sn: Serial,
}

/// RFC 7143, 11.12. Always immediate. The data segment is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    pub transit: bool,
    /// The text goes on in the next request.
    pub continues: bool,
    pub stage: Stage,
    /// Means something with `transit` only.
    pub next_stage: Stage,
    pub isid: [u8; 6],
    pub session: u16,
    pub task_tag: u32,
    pub connection: u16,
    pub numbers: InitiatorNumbers,
}

/// RFC 7143, 11.10. The data segment is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRequest {
    pub immediate: bool,
    pub last: bool,
    pub continues: bool,
    pub lun: [u8; 8],
    pub task_tag: u32,
    pub transfer_tag: u32,
    pub numbers: InitiatorNumbers,
}

/// RFC 7143, 11.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataOut {
    /// The last of its sequence.
    pub last: bool,
    pub lun: [u8; 8],
    pub task_tag: u32,
    /// Of the R2T that asked for it; [`super::NO_TAG`]: nobody did.
    pub transfer_tag: u32,
    pub exp_stat_sn: Serial,
    pub data_sn: Serial,
    /// In octets.
    pub offset: u32,
}

/// RFC 7143, 11.14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    pub immediate: bool,
    /// 0 closes the session, 1 the connection, 2 removes it for recovery.
    pub reason: u8,
    pub task_tag: u32,
    pub connection: u16,
    pub numbers: InitiatorNumbers,
}

const NOP_OUT: u8 = 0x00;
const SCSI_COMMAND: u8 = 0x01;
const TASK_MANAGEMENT: u8 = 0x02;
const LOGIN: u8 = 0x03;
const TEXT: u8 = 0x04;
const DATA_OUT: u8 = 0x05;
const LOGOUT: u8 = 0x06;

const LAST: u8 = 0x80;
const CONTINUES: u8 = 0x40;

impl FromInitiator {
    /// The header, with a DataSegmentLength of 0.
    pub fn header(&self) -> Header {
        match self {
            Self::NopOut(it) => it.header(),
            Self::ScsiCommand(it) => it.header(),
            Self::TaskManagement(it) => it.header(),
            Self::Login(it) => it.header(),
            Self::Text(it) => it.header(),
            Self::DataOut(it) => it.header(),
            Self::Logout(it) => it.header(),
        }
    }

    pub fn parse(header: &Header) -> Result<Self, PduError> {
        Ok(match header.opcode() {
            NOP_OUT => Self::NopOut(NopOut::parse(header)),
            SCSI_COMMAND => Self::ScsiCommand(ScsiCommand::parse(header)),
            TASK_MANAGEMENT => Self::TaskManagement(TaskManagementRequest::parse(header)),
            LOGIN => Self::Login(LoginRequest::parse(header)?),
            TEXT => Self::Text(TextRequest::parse(header)),
            DATA_OUT => Self::DataOut(DataOut::parse(header)),
            LOGOUT => Self::Logout(LogoutRequest::parse(header)),
            other => return Err(PduError::Opcode(other)),
        })
    }
}

impl InitiatorNumbers {
    fn put(self, header: &mut Header) {
        header.put_u32(24, self.cmd_sn.0);
        header.put_u32(28, self.exp_stat_sn.0);
    }

    fn parse(header: &Header) -> Self {
        Self { cmd_sn: Serial(header.u32(24)), exp_stat_sn: Serial(header.u32(28)) }
    }
}

impl NopOut {
    fn header(&self) -> Header {
        let mut header = Header::new(NOP_OUT, LAST).with_immediate(self.immediate);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            immediate: header.is_immediate(),
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: InitiatorNumbers::parse(header),
        }
    }
}

impl ScsiCommand {
    fn header(&self) -> Header {
        let flags = bit(self.last, LAST) | bit(self.read, 0x40) | bit(self.write, 0x20) | self.attribute & 7;
        let mut header = Header::new(SCSI_COMMAND, flags).with_immediate(self.immediate);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.expected_length);
        self.numbers.put(&mut header);
        header.put(32, &self.cdb);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            immediate: header.is_immediate(),
            last: header.flag(LAST),
            read: header.flag(0x40),
            write: header.flag(0x20),
            attribute: header.0[1] & 7,
            lun: header.array(8),
            task_tag: header.u32(16),
            expected_length: header.u32(20),
            numbers: InitiatorNumbers::parse(header),
            cdb: header.array(32),
        }
    }
}

impl TaskManagementRequest {
    fn header(&self) -> Header {
        let flags = LAST | self.function & 0x7f;
        let mut header = Header::new(TASK_MANAGEMENT, flags).with_immediate(self.immediate);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.referenced_tag);
        self.numbers.put(&mut header);
        header.put_u32(32, self.referenced_cmd_sn.0);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            immediate: header.is_immediate(),
            function: header.0[1] & 0x7f,
            lun: header.array(8),
            task_tag: header.u32(16),
            referenced_tag: header.u32(20),
            numbers: InitiatorNumbers::parse(header),
            referenced_cmd_sn: Serial(header.u32(32)),
        }
    }
}

impl LoginRequest {
    fn header(&self) -> Header {
        let next = if self.transit { self.next_stage.code() } else { 0 };
        let flags = bit(self.transit, LAST) | bit(self.continues, CONTINUES) | self.stage.code() << 2 | next;
        let mut header = Header::new(LOGIN, flags).with_immediate(true);
        header.put(8, &self.isid);
        header.put_u16(14, self.session);
        header.put_u32(16, self.task_tag);
        header.put_u16(20, self.connection);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Result<Self, PduError> {
        Ok(Self {
            transit: header.flag(LAST),
            continues: header.flag(CONTINUES),
            stage: Stage::parse("Login Request", "CSG", header.0[1] >> 2 & 3)?,
            next_stage: Stage::parse("Login Request", "NSG", header.0[1] & 3)?,
            isid: header.array(8),
            session: header.u16(14),
            task_tag: header.u32(16),
            connection: header.u16(20),
            numbers: InitiatorNumbers::parse(header),
        })
    }
}

impl TextRequest {
    fn header(&self) -> Header {
        let flags = bit(self.last, LAST) | bit(self.continues, CONTINUES);
        let mut header = Header::new(TEXT, flags).with_immediate(self.immediate);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            immediate: header.is_immediate(),
            last: header.flag(LAST),
            continues: header.flag(CONTINUES),
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: InitiatorNumbers::parse(header),
        }
    }
}

impl DataOut {
    fn header(&self) -> Header {
        let mut header = Header::new(DATA_OUT, bit(self.last, LAST));
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        header.put_u32(28, self.exp_stat_sn.0);
        header.put_u32(36, self.data_sn.0);
        header.put_u32(40, self.offset);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            last: header.flag(LAST),
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            exp_stat_sn: Serial(header.u32(28)),
            data_sn: Serial(header.u32(36)),
            offset: header.u32(40),
        }
    }
}

impl LogoutRequest {
    fn header(&self) -> Header {
        let mut header = Header::new(LOGOUT, LAST | self.reason & 0x7f).with_immediate(self.immediate);
        header.put_u32(16, self.task_tag);
        header.put_u16(20, self.connection);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            immediate: header.is_immediate(),
            reason: header.0[1] & 0x7f,
            task_tag: header.u32(16),
            connection: header.u16(20),
            numbers: InitiatorNumbers::parse(header),
        }
    }
}
