use super::header::bit;
use super::{Header, NO_TAG, PduError, Residual, Serial, Stage, TargetNumbers};

/// What a target sends: the headers, by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromTarget {
    NopIn(NopIn),
    ScsiResponse(ScsiResponse),
    TaskManagement(TaskManagementResponse),
    Login(LoginResponse),
    Text(TextResponse),
    DataIn(DataIn),
    Logout(LogoutResponse),
    ReadyToTransfer(ReadyToTransfer),
    Async(AsyncMessage),
    Reject(Reject),
}

/// RFC 7143, 11.19. The data segment is ping data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NopIn {
    pub lun: [u8; 8],
    pub task_tag: u32,
    /// [`NO_TAG`]: no answer is wanted.
    pub transfer_tag: u32,
    pub numbers: TargetNumbers,
}

/// RFC 7143, 11.4. The data segment is SenseLength, sense data and response data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScsiResponse {
    /// 0: the command completed at the target; else iSCSI has failed it and there is no status.
    pub response: u8,
    pub status: u8,
    pub task_tag: u32,
    pub numbers: TargetNumbers,
    /// How many R2T and Data-In PDUs the target has sent for the command.
    pub exp_data_sn: Serial,
    pub residual: Residual,
}

/// RFC 7143, 11.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagementResponse {
    pub response: u8,
    pub task_tag: u32,
    pub numbers: TargetNumbers,
}

/// RFC 7143, 11.13. The data segment is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginResponse {
    pub transit: bool,
    pub continues: bool,
    pub stage: Stage,
    /// Means something with `transit` only.
    pub next_stage: Stage,
    /// Version-max and Version-active.
    pub versions: [u8; 2],
    pub isid: [u8; 6],
    pub session: u16,
    pub task_tag: u32,
    pub numbers: TargetNumbers,
    /// Status-Class and Status-Detail.
    pub status: [u8; 2],
}

/// RFC 7143, 11.11. The data segment is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextResponse {
    pub last: bool,
    pub continues: bool,
    pub lun: [u8; 8],
    pub task_tag: u32,
    /// Not [`NO_TAG`]: the text goes on when it is asked for by this tag.
    pub transfer_tag: u32,
    pub numbers: TargetNumbers,
}

/// RFC 7143, 11.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataIn {
    /// The last of its sequence.
    pub last: bool,
    /// The command's status, in its last Data-In. There is no other answer then.
    pub status: Option<u8>,
    pub lun: [u8; 8],
    pub task_tag: u32,
    pub transfer_tag: u32,
    /// StatSN counts only with a status.
    pub numbers: TargetNumbers,
    pub data_sn: Serial,
    /// In octets.
    pub offset: u32,
    /// Means something with a status only.
    pub residual: Residual,
}

/// R2T: RFC 7143, 11.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyToTransfer {
    pub lun: [u8; 8],
    pub task_tag: u32,
    pub transfer_tag: u32,
    /// StatSN is the next one, and stays it.
    pub numbers: TargetNumbers,
    pub r2t_sn: Serial,
    /// In octets, as the length.
    pub offset: u32,
    pub length: u32,
}

/// RFC 7143, 11.9. The data segment is sense data for event 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncMessage {
    pub lun: [u8; 8],
    pub numbers: TargetNumbers,
    /// 0 sense, 1 logout wanted, 2 connection dropped, 3 all connections dropped, 4 negotiation wanted.
    pub event: u8,
    pub vendor_code: u8,
    pub parameters: [u16; 3],
}

/// RFC 7143, 11.17. The data segment is the header that was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    pub reason: u8,
    pub numbers: TargetNumbers,
    pub data_sn: Serial,
}

/// RFC 7143, 11.15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// 0: closed.
    pub response: u8,
    pub task_tag: u32,
    pub numbers: TargetNumbers,
    /// In seconds, as Time2Retain.
    pub time_to_wait: u16,
    pub time_to_retain: u16,
}

const NOP_IN: u8 = 0x20;
const SCSI_RESPONSE: u8 = 0x21;
const TASK_MANAGEMENT: u8 = 0x22;
const LOGIN: u8 = 0x23;
const TEXT: u8 = 0x24;
const DATA_IN: u8 = 0x25;
const LOGOUT: u8 = 0x26;
const READY_TO_TRANSFER: u8 = 0x31;
const ASYNC: u8 = 0x32;
const REJECT: u8 = 0x3f;

const LAST: u8 = 0x80;
const CONTINUES: u8 = 0x40;
const HAS_STATUS: u8 = 0x01;

impl FromTarget {
    /// The header, with a DataSegmentLength of 0.
    pub fn header(&self) -> Header {
        match self {
            Self::NopIn(it) => it.header(),
            Self::ScsiResponse(it) => it.header(),
            Self::TaskManagement(it) => it.header(),
            Self::Login(it) => it.header(),
            Self::Text(it) => it.header(),
            Self::DataIn(it) => it.header(),
            Self::Logout(it) => it.header(),
            Self::ReadyToTransfer(it) => it.header(),
            Self::Async(it) => it.header(),
            Self::Reject(it) => it.header(),
        }
    }

    pub fn parse(header: &Header) -> Result<Self, PduError> {
        Ok(match header.opcode() {
            NOP_IN => Self::NopIn(NopIn::parse(header)),
            SCSI_RESPONSE => Self::ScsiResponse(ScsiResponse::parse(header)?),
            TASK_MANAGEMENT => Self::TaskManagement(TaskManagementResponse::parse(header)),
            LOGIN => Self::Login(LoginResponse::parse(header)?),
            TEXT => Self::Text(TextResponse::parse(header)),
            DATA_IN => Self::DataIn(DataIn::parse(header)?),
            LOGOUT => Self::Logout(LogoutResponse::parse(header)),
            READY_TO_TRANSFER => Self::ReadyToTransfer(ReadyToTransfer::parse(header)),
            ASYNC => Self::Async(AsyncMessage::parse(header)),
            REJECT => Self::Reject(Reject::parse(header)),
            other => return Err(PduError::Opcode(other)),
        })
    }

    /// How the PDU is called in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NopIn(_) => "NOP-In",
            Self::ScsiResponse(_) => "SCSI Response",
            Self::TaskManagement(_) => "Task Management Function Response",
            Self::Login(_) => "Login Response",
            Self::Text(_) => "Text Response",
            Self::DataIn(_) => "SCSI Data-In",
            Self::Logout(_) => "Logout Response",
            Self::ReadyToTransfer(_) => "R2T",
            Self::Async(_) => "Asynchronous Message",
            Self::Reject(_) => "Reject",
        }
    }

    pub fn numbers(&self) -> TargetNumbers {
        match self {
            Self::NopIn(it) => it.numbers,
            Self::ScsiResponse(it) => it.numbers,
            Self::TaskManagement(it) => it.numbers,
            Self::Login(it) => it.numbers,
            Self::Text(it) => it.numbers,
            Self::DataIn(it) => it.numbers,
            Self::Logout(it) => it.numbers,
            Self::ReadyToTransfer(it) => it.numbers,
            Self::Async(it) => it.numbers,
            Self::Reject(it) => it.numbers,
        }
    }
}

impl NopIn {
    fn header(&self) -> Header {
        let mut header = Header::new(NOP_IN, LAST);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: TargetNumbers::parse(header),
        }
    }
}

impl ScsiResponse {
    fn header(&self) -> Header {
        let mut header = Header::new(SCSI_RESPONSE, LAST);
        header.0[2] = self.response;
        header.0[3] = self.status;
        header.put_u32(16, self.task_tag);
        self.numbers.put(&mut header);
        header.put_u32(36, self.exp_data_sn.0);
        self.residual.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Result<Self, PduError> {
        Ok(Self {
            response: header.0[2],
            status: header.0[3],
            task_tag: header.u32(16),
            numbers: TargetNumbers::parse(header),
            exp_data_sn: Serial(header.u32(36)),
            residual: Residual::parse("SCSI Response", header)?,
        })
    }
}

impl TaskManagementResponse {
    fn header(&self) -> Header {
        let mut header = Header::new(TASK_MANAGEMENT, LAST);
        header.0[2] = self.response;
        header.put_u32(16, self.task_tag);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self { response: header.0[2], task_tag: header.u32(16), numbers: TargetNumbers::parse(header) }
    }
}

impl LoginResponse {
    fn header(&self) -> Header {
        let next = if self.transit { self.next_stage.code() } else { 0 };
        let flags = bit(self.transit, LAST) | bit(self.continues, CONTINUES) | self.stage.code() << 2 | next;
        let mut header = Header::new(LOGIN, flags);
        header.put(2, &self.versions);
        header.put(8, &self.isid);
        header.put_u16(14, self.session);
        header.put_u32(16, self.task_tag);
        self.numbers.put(&mut header);
        header.put(36, &self.status);
        header
    }

    fn parse(header: &Header) -> Result<Self, PduError> {
        Ok(Self {
            transit: header.flag(LAST),
            continues: header.flag(CONTINUES),
            stage: Stage::parse("Login Response", "CSG", header.0[1] >> 2 & 3)?,
            next_stage: Stage::parse("Login Response", "NSG", header.0[1] & 3)?,
            versions: header.array(2),
            isid: header.array(8),
            session: header.u16(14),
            task_tag: header.u32(16),
            numbers: TargetNumbers::parse(header),
            status: header.array(36),
        })
    }
}

impl TextResponse {
    fn header(&self) -> Header {
        let mut header = Header::new(TEXT, bit(self.last, LAST) | bit(self.continues, CONTINUES));
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            last: header.flag(LAST),
            continues: header.flag(CONTINUES),
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: TargetNumbers::parse(header),
        }
    }
}

impl DataIn {
    fn header(&self) -> Header {
        let mut header = Header::new(DATA_IN, bit(self.last, LAST) | bit(self.status.is_some(), HAS_STATUS));
        header.0[3] = self.status.unwrap_or(0);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header.put_u32(36, self.data_sn.0);
        header.put_u32(40, self.offset);
        self.residual.put(&mut header);
        header
    }

    fn parse(header: &Header) -> Result<Self, PduError> {
        let status = header.flag(HAS_STATUS).then_some(header.0[3]);
        let residual = if status.is_some() { Residual::parse("SCSI Data-In", header)? } else { Residual::None };
        Ok(Self {
            last: header.flag(LAST),
            status,
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: TargetNumbers::parse(header),
            data_sn: Serial(header.u32(36)),
            offset: header.u32(40),
            residual,
        })
    }
}

impl ReadyToTransfer {
    fn header(&self) -> Header {
        let mut header = Header::new(READY_TO_TRANSFER, LAST);
        header.put(8, &self.lun);
        header.put_u32(16, self.task_tag);
        header.put_u32(20, self.transfer_tag);
        self.numbers.put(&mut header);
        header.put_u32(36, self.r2t_sn.0);
        header.put_u32(40, self.offset);
        header.put_u32(44, self.length);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            lun: header.array(8),
            task_tag: header.u32(16),
            transfer_tag: header.u32(20),
            numbers: TargetNumbers::parse(header),
            r2t_sn: Serial(header.u32(36)),
            offset: header.u32(40),
            length: header.u32(44),
        }
    }
}

impl AsyncMessage {
    fn header(&self) -> Header {
        let mut header = Header::new(ASYNC, LAST);
        header.put(8, &self.lun);
        header.put_u32(16, NO_TAG);
        self.numbers.put(&mut header);
        header.put(36, &[self.event, self.vendor_code]);
        for (at, parameter) in [38, 40, 42].into_iter().zip(self.parameters) {
            header.put_u16(at, parameter);
        }
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            lun: header.array(8),
            numbers: TargetNumbers::parse(header),
            event: header.0[36],
            vendor_code: header.0[37],
            parameters: [38, 40, 42].map(|at| header.u16(at)),
        }
    }
}

impl Reject {
    fn header(&self) -> Header {
        let mut header = Header::new(REJECT, LAST);
        header.0[2] = self.reason;
        header.put_u32(16, NO_TAG);
        self.numbers.put(&mut header);
        header.put_u32(36, self.data_sn.0);
        header
    }

    fn parse(header: &Header) -> Self {
        Self { reason: header.0[2], numbers: TargetNumbers::parse(header), data_sn: Serial(header.u32(36)) }
    }
}

impl LogoutResponse {
    fn header(&self) -> Header {
        let mut header = Header::new(LOGOUT, LAST);
        header.0[2] = self.response;
        header.put_u32(16, self.task_tag);
        self.numbers.put(&mut header);
        header.put_u16(40, self.time_to_wait);
        header.put_u16(42, self.time_to_retain);
        header
    }

    fn parse(header: &Header) -> Self {
        Self {
            response: header.0[2],
            task_tag: header.u32(16),
            numbers: TargetNumbers::parse(header),
            time_to_wait: header.u16(40),
            time_to_retain: header.u16(42),
        }
    }
}
