//! What one logical unit says of itself, question by question.

use std::fmt::Write;

use super::limits;
use crate::nbd::scsi::{Probe, ProbeError, Probed, UnitFacts, Verdict, judge};
use crate::scsi::{Cdb, Command, Lun, Response};

/// A logical unit that can be a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub facts: UnitFacts,
    /// What tells this unit from all others, wherever it is shown: its world-wide name (page 83h). Empty: it has none.
    pub identity: String,
    /// Vendor and product, for people.
    pub product: String,
}

/// Room for standard INQUIRY data and for the page of designators.
const ROOM: u16 = 255;
const IDENTIFICATION: u8 = 0x83;

/// ```text
///   INQUIRY ▶ INQUIRY of the designators ▶ the probe of nbd::scsi ▶ known
/// ```
#[derive(Debug)]
pub(super) struct Inquiry {
    question: Question,
    attempts: u32,
    identity: String,
    product: String,
    probe: Probe,
    lun: Lun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Standard,
    Identification,
    Probe,
}

/// What an answer has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// There is a next command.
    More,
    /// The same command again, after a pause.
    Wait,
    Known(Unit),
    /// There is nothing at this number, whatever the list says.
    Absent,
}

/// Why there is no disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InquiryError {
    #[error("the unit does not answer {0}")]
    NotAnswered(&'static str),
    #[error("the unit is no disk, but a device of type {0:#04x}")]
    NoDisk(u8),
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Inquiry {
    pub fn new(lun: Lun) -> Self {
        let (identity, product) = (String::new(), String::new());
        Self { question: Question::Standard, attempts: 0, identity, product, probe: Probe::new(lun), lun }
    }

    pub fn command(&self) -> Command {
        match self.question {
            Question::Standard => Command::reading(self.lun, Cdb::inquiry(ROOM), ROOM.into()),
            Question::Identification => {
                Command::reading(self.lun, Cdb::inquiry_page(IDENTIFICATION, ROOM), ROOM.into())
            }
            Question::Probe => self.probe.command(),
        }
    }

    /// The answer to [`Self::command`].
    pub fn answered(&mut self, response: &Response) -> Result<Learned, InquiryError> {
        match self.question {
            Question::Probe => self.probed(response),
            Question::Standard => match self.verdict(response, "INQUIRY")? {
                Some(learned) => Ok(learned),
                None => self.take_standard(&response.data_in),
            },
            Question::Identification => match self.verdict(response, "INQUIRY of its designators") {
                Ok(Some(learned)) => Ok(learned),
                Ok(None) => {
                    self.identity = identity(&response.data_in);
                    self.go_on(Question::Probe)
                }
                // A unit may do without: then size and blocks alone tell it from another.
                Err(_) => self.go_on(Question::Probe),
            },
        }
    }

    fn probed(&mut self, response: &Response) -> Result<Learned, InquiryError> {
        Ok(match self.probe.answered(response)? {
            Probed::More => Learned::More,
            Probed::Wait => Learned::Wait,
            Probed::Known(facts) => {
                Learned::Known(Unit { facts, identity: self.identity.clone(), product: self.product.clone() })
            }
        })
    }

    /// None: it was answered.
    fn verdict(&mut self, response: &Response, name: &'static str) -> Result<Option<Learned>, InquiryError> {
        let learned = match judge(response, false) {
            Verdict::Done => return Ok(None),
            Verdict::Again | Verdict::AgainAfterLoss => Learned::More,
            Verdict::Hold => Learned::Wait,
            Verdict::Unsupported | Verdict::Fail(_) => return Err(InquiryError::NotAnswered(name)),
        };
        self.attempts += 1;
        if self.attempts > limits::ATTEMPTS { Err(InquiryError::NotAnswered(name)) } else { Ok(Some(learned)) }
    }

    /// Peripheral qualifier and device type, then vendor and product (SPC-4, 6.6.2).
    fn take_standard(&mut self, data: &[u8]) -> Result<Learned, InquiryError> {
        let first = data.first().copied().unwrap_or_default();
        match (first >> 5, first & 0x1f) {
            (0, 0) => {}
            (0, kind) => return Err(InquiryError::NoDisk(kind)),
            _ => return Ok(Learned::Absent),
        }
        let text = |from: usize, to: usize| {
            let octets = data.get(from..to.min(data.len())).unwrap_or_default();
            let printable = |it: &u8| if it.is_ascii_graphic() || *it == b' ' { char::from(*it) } else { '.' };
            octets.iter().map(printable).collect::<String>().trim().to_owned()
        };
        self.product = format!("{} {}", text(8, 16), text(16, 32)).trim().to_owned();
        self.go_on(Question::Identification)
    }

    fn go_on(&mut self, question: Question) -> Result<Learned, InquiryError> {
        (self.question, self.attempts) = (question, 0);
        Ok(Learned::More)
    }
}

/// The best designator of the logical unit itself (SPC-4, 7.8.6): NAA, then EUI-64, then the vendor's own, as
/// `naa.6001405…`. Empty: none.
fn identity(page: &[u8]) -> String {
    let mut rest = if page.get(1) == Some(&IDENTIFICATION) { page.get(4..).unwrap_or_default() } else { &[] };
    let mut best = (0, String::new());
    while let Some((head, after)) = rest.split_at_checked(4) {
        let Some((designator, next)) = after.split_at_checked(head[3].into()) else { break };
        rest = next;
        let (of_the_unit, kind) = (head[1] & 0x30 == 0, head[1] & 0x0f);
        let (rank, prefix) = match kind {
            3 => (3, "naa."),
            2 => (2, "eui."),
            1 => (1, "t10."),
            _ => continue,
        };
        if of_the_unit && rank > best.0 {
            best = (rank, format!("{prefix}{}", hex(designator)));
        }
    }
    best.1
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(designators: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let mut data = vec![0, IDENTIFICATION, 0, 0];
        for (association, kind, octets) in designators {
            data.extend([1, association << 4 | kind, 0, octets.len() as u8]);
            data.extend(*octets);
        }
        data
    }

    #[test]
    fn the_best_designator_of_the_unit_is_its_identity() {
        let naa: &[u8] = &[0x60, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(identity(&page(&[(0, 1, b"ab"), (0, 3, naa), (0, 2, &[9; 8])])), "naa.6001020304050607");
        assert_eq!(identity(&page(&[(1, 3, naa), (0, 1, b"ab")])), "t10.6162", "the port's own is none of it");
        for none in [&[][..], &[0, IDENTIFICATION], &[0, 0x80, 0, 2, 1, 3], &page(&[(0, 3, naa)])[..9]] {
            assert_eq!(identity(none), "");
        }
    }

    #[test]
    fn what_is_no_disk_is_named() {
        let answer = |first: u8| Response { data_in: vec![first; 36].into(), ..Response::good() };
        let inquiry = || Inquiry::new(Lun::ZERO);
        assert_eq!(inquiry().answered(&answer(0x0d)), Err(InquiryError::NoDisk(0x0d)));
        assert_eq!(inquiry().answered(&answer(0x7f)), Ok(Learned::Absent));
        assert_eq!(inquiry().answered(&answer(0)), Ok(Learned::More));
    }
}
