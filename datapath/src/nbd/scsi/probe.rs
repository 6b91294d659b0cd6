use super::{UnitFacts, Unmap, Verdict, WriteSame, judge};
use crate::scsi::{Cdb, Command, Lun, Response};

/// Octets in one command at most, whatever more a unit takes: longer requests go as several commands at once.
pub(super) const TRANSFER: u32 = 1 << 20;

/// Octets that one WRITE SAME or UNMAP may name where the unit gives no limit: a command that runs for minutes would
/// outlast everybody's patience.
const UNLIMITED: u64 = 1 << 30;

/// Room for the pages that are asked for.
const ROOM: u8 = 255;

/// Answers of "again" and "hold" that a unit may give to one question.
const ATTEMPTS: u32 = 100;

/// Pages of vital product data (SBC-3, 6.5).
const BLOCK_LIMITS: u8 = 0xb0;
const CHARACTERISTICS: u8 = 0xb1;
const PROVISIONING: u8 = 0xb2;
/// The mode page of the write cache (SBC-3, 6.4.5).
const CACHING: u8 = 0x08;

/// Asks a unit what it is, one command after the other.
///
/// ```text
///   TEST UNIT READY ▶ READ CAPACITY(16) ▶ MODE SENSE: caching ▶ block limits ▶ characteristics ▶ provisioning ▶ known
/// ```
///
/// What a unit does not answer counts as not promised: then FUA is done by SYNCHRONIZE CACHE, and nothing is unmapped.
#[derive(Debug)]
pub struct Probe {
    question: Question,
    attempts: u32,
    provisioned: Provisioned,
    facts: UnitFacts,
}

/// What an answer has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// There is a next command.
    More,
    /// The same command again, after a pause.
    Wait,
    Known(UnitFacts),
}

/// Why a unit cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error("the unit does not answer {question}: {answer}")]
    NotAnswered { question: &'static str, answer: String },
    #[error("the unit's answer to {0} is cut short")]
    CutShort(&'static str),
    #[error("the unit has blocks of {0} octets; NBD wants a power of two from 512 to 65536")]
    BlockLength(u32),
    #[error("the unit has {0} blocks of {1} octets, which is more than NBD can name")]
    Size(u64, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Ready,
    Capacity,
    Caching,
    Limits,
    Characteristics,
    Provisioning,
}

/// What the block limits say, until it is known whether the commands are there at all. In blocks; 0: none, or no limit.
#[derive(Clone, Copy, Debug, Default)]
struct Provisioned {
    unmap: u32,
    write_same: u64,
    read_zeros: bool,
}

impl Probe {
    pub fn new(lun: Lun) -> Self {
        let facts = UnitFacts {
            lun,
            block_length: 512,
            blocks: 0,
            largest_transfer: 1,
            force_unit_access: false,
            write_cache: true,
            write_protected: false,
            rotational: false,
            unmap: None,
            write_same: None,
        };
        Self { question: Question::Ready, attempts: 0, provisioned: Provisioned::default(), facts }
    }

    pub fn command(&self) -> Command {
        let lun = self.facts.lun;
        let page = |page| Command::reading(lun, Cdb::inquiry_page(page, ROOM.into()), ROOM.into());
        match self.question {
            Question::Ready => Command::without_data(lun, Cdb::test_unit_ready()),
            Question::Capacity => Command::reading(lun, Cdb::read_capacity_16(32), 32),
            Question::Caching => Command::reading(lun, Cdb::mode_sense_6(CACHING, ROOM), ROOM.into()),
            Question::Limits => page(BLOCK_LIMITS),
            Question::Characteristics => page(CHARACTERISTICS),
            Question::Provisioning => page(PROVISIONING),
        }
    }

    /// The answer to [`Self::command`].
    pub fn answered(&mut self, response: &Response) -> Result<Probed, ProbeError> {
        let not_answered = |question: Question| {
            let sense = response.sense.map_or_else(String::new, |sense| format!(", {sense}"));
            ProbeError::NotAnswered { question: question.name(), answer: format!("{}{sense}", response.status) }
        };
        match judge(response, false) {
            Verdict::Done => self.take(&response.data_in)?,
            Verdict::Again | Verdict::AgainAfterLoss | Verdict::Hold if self.attempts >= ATTEMPTS => {
                return Err(not_answered(self.question));
            }
            Verdict::Again | Verdict::AgainAfterLoss => {
                self.attempts += 1;
                return Ok(Probed::More);
            }
            Verdict::Hold => {
                self.attempts += 1;
                return Ok(Probed::Wait);
            }
            Verdict::Unsupported if self.question > Question::Capacity => {}
            Verdict::Unsupported | Verdict::Fail(_) => return Err(not_answered(self.question)),
        }
        self.attempts = 0;
        match self.question.next() {
            Some(question) => self.question = question,
            None => return Ok(Probed::Known(self.known())),
        }
        Ok(Probed::More)
    }

    fn take(&mut self, data: &[u8]) -> Result<(), ProbeError> {
        match self.question {
            Question::Ready => {}
            Question::Capacity => self.take_capacity(data)?,
            Question::Caching => self.take_caching(data),
            Question::Limits => self.take_limits(page(data, BLOCK_LIMITS)),
            Question::Characteristics => {
                // MEDIUM ROTATION RATE: 0 is unknown, 1 does not rotate (SBC-3, 6.5.2).
                self.facts.rotational = number(page(data, CHARACTERISTICS), 4, 2) > 1;
            }
            Question::Provisioning => self.take_provisioning(page(data, PROVISIONING)),
        }
        Ok(())
    }

    /// SBC-3, 5.16.2.
    fn take_capacity(&mut self, data: &[u8]) -> Result<(), ProbeError> {
        if data.len() < 12 {
            return Err(ProbeError::CutShort(Question::Capacity.name()));
        }
        let (last, block) = (number(data, 0, 8), number(data, 8, 4) as u32);
        if !block.is_power_of_two() || !(512..=1 << 16).contains(&block) {
            return Err(ProbeError::BlockLength(block));
        }
        let blocks = last.saturating_add(1);
        blocks.checked_mul(block.into()).ok_or(ProbeError::Size(blocks, block))?;
        (self.facts.blocks, self.facts.block_length) = (blocks, block);
        self.facts.largest_transfer = TRANSFER / block;
        Ok(())
    }

    /// The header (SPC-4, 7.5.5) says WP and DPOFUA; WCE is in the page behind the block descriptors.
    fn take_caching(&mut self, data: &[u8]) {
        let specific = number(data, 2, 1);
        (self.facts.write_protected, self.facts.force_unit_access) = (specific & 0x80 != 0, specific & 0x10 != 0);
        let at = 4 + number(data, 3, 1) as usize;
        if number(data, at, 1) & 0x3f == u64::from(CACHING) {
            self.facts.write_cache = number(data, at + 2, 1) & 0x04 != 0;
        }
    }

    /// SBC-3, 6.5.3.
    fn take_limits(&mut self, page: &[u8]) {
        let most = number(page, 8, 4) as u32;
        if most > 0 {
            self.facts.largest_transfer = self.facts.largest_transfer.min(most);
        }
        let one_descriptor = number(page, 24, 4) > 0;
        self.provisioned.unmap = if one_descriptor { number(page, 20, 4) as u32 } else { 0 };
        self.provisioned.write_same = number(page, 36, 8);
    }

    /// SBC-3, 6.5.4: LBPU, LBPWS and LBPRZ.
    fn take_provisioning(&mut self, page: &[u8]) {
        let flags = number(page, 5, 1);
        let unlimited = (UNLIMITED / u64::from(self.facts.block_length)) as u32;
        let most = self.provisioned.unmap.min(unlimited);
        self.facts.unmap = (flags & 0x80 != 0 && most > 0).then_some(Unmap { largest: most });
        self.provisioned.read_zeros = flags & 0x40 != 0 && flags & 0x04 != 0;
    }

    /// Whether WRITE SAME(16) is there is seen when it is tried.
    fn known(&self) -> UnitFacts {
        let unlimited = UNLIMITED / u64::from(self.facts.block_length);
        let most = match self.provisioned.write_same {
            0 => unlimited,
            limit => limit.min(unlimited),
        };
        let write_same = Some(WriteSame { largest: most as u32, unmaps: self.provisioned.read_zeros });
        UnitFacts { write_same, ..self.facts.clone() }
    }
}

impl Question {
    fn next(self) -> Option<Self> {
        Some(match self {
            Self::Ready => Self::Capacity,
            Self::Capacity => Self::Caching,
            Self::Caching => Self::Limits,
            Self::Limits => Self::Characteristics,
            Self::Characteristics => Self::Provisioning,
            Self::Provisioning => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ready => "TEST UNIT READY",
            Self::Capacity => "READ CAPACITY(16)",
            Self::Caching => "MODE SENSE of the caching page",
            Self::Limits => "INQUIRY of the block limits",
            Self::Characteristics => "INQUIRY of the block device characteristics",
            Self::Provisioning => "INQUIRY of logical block provisioning",
        }
    }
}

/// The page, or nothing where the unit gave another one.
fn page(data: &[u8], page: u8) -> &[u8] {
    if data.get(1) == Some(&page) { data } else { &[] }
}

/// The number in `length` octets from `offset` on; 0 where the unit sent none.
fn number(data: &[u8], offset: usize, length: usize) -> u64 {
    let octets = data.get(offset..offset + length).unwrap_or_default();
    octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet))
}
