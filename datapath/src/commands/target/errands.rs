use std::collections::VecDeque;
use std::time::Duration;

use crate::rail::Nanos;
use crate::san::SessionEnd;
use crate::scsi::{Cdb, Command, Lun, Response, SenseKey, Status};

/// What the home itself wants to know of the array, or to be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Every LUN that is shown, asked at LUN 0 (SPC-4, 6.33).
    ReportLuns,
    TestUnitReady(Lun),
    Reset(Lun),
}

/// Those that have no answer.
#[derive(Debug, Default)]
pub struct Errands {
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub errand: Errand,
    /// Since when it is wanted, however often it was sent.
    pub since: Nanos,
    not_before: Nanos,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Done,
    /// It met a unit attention, which is over now.
    UnitAttention,
    /// Nothing was executed: it is sent again.
    Later,
}

/// Octets of a list of LUNs: more than the LUNs that a vHBA may have, so that too many are noticed.
const LIST: u32 = 16 << 10;

/// When what was not executed is sent again.
pub const RETRY: Nanos = 50_000_000;

/// A target that has not answered a question of the home for so long has lost it: nothing is known of the session then, and
/// it is ended. LUN RESET is waited for without end: another one might come after its answer.
pub const WITHIN: Nanos = 10_000_000_000;

impl Errand {
    pub fn lun(self) -> Lun {
        match self {
            Self::ReportLuns => Lun::ZERO,
            Self::TestUnitReady(lun) | Self::Reset(lun) => lun,
        }
    }

    /// None: it is a task management function.
    pub fn command(self) -> Option<Command> {
        match self {
            Self::ReportLuns => Some(Command::reading(Lun::ZERO, Cdb::report_luns(LIST), LIST)),
            Self::TestUnitReady(lun) => Some(Command::without_data(lun, Cdb::test_unit_ready())),
            Self::Reset(_) => None,
        }
    }

    /// Whatever else a unit says to TEST UNIT READY is between it and the initiator; a list has to be had.
    pub fn meaning(self, response: &Response) -> Meaning {
        let key = response.sense.as_ref().map(|it| it.key);
        match (self, response.status) {
            (_, Status::CheckCondition) if key == Some(SenseKey::UnitAttention) => Meaning::UnitAttention,
            (_, Status::Busy | Status::TaskSetFull | Status::TaskAborted) => Meaning::Later,
            (Self::ReportLuns, status) if status != Status::Good => Meaning::Later,
            _ => Meaning::Done,
        }
    }
}

impl Errands {
    pub fn ask(&mut self, errand: Errand, now: Nanos) {
        self.waiting.push_back(Waiting { errand, since: now, not_before: now });
    }

    /// What was sent and not executed.
    pub fn again(&mut self, errand: Errand, since: Nanos, not_before: Nanos) {
        self.waiting.push_back(Waiting { errand, since, not_before });
    }

    pub fn take_due(&mut self, now: Nanos) -> Option<Waiting> {
        let index = self.waiting.iter().position(|it| it.not_before <= now)?;
        self.waiting.remove(index)
    }

    pub fn give_back(&mut self, waiting: Waiting) {
        self.waiting.push_front(waiting);
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    pub fn waiting(&self) -> impl Iterator<Item = (Errand, Nanos)> + '_ {
        self.waiting.iter().map(|it| (it.errand, it.since))
    }

    /// Those that wait because the session takes no more are looked at again when it has something to say.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.waiting.iter().map(|it| if it.not_before > it.since { it.not_before } else { it.since + WITHIN }).min()
    }
}

/// The parameter data of REPORT LUNS (SPC-4, table 214), as much of it as came.
pub fn parse_luns(data: &[u8]) -> impl Iterator<Item = Lun> + '_ {
    let length = data.first_chunk().map_or(0, |it| u32::from_be_bytes(*it) as usize);
    let list = data.get(8..).unwrap_or_default();
    let (luns, _) = list[..length.min(list.len())].as_chunks::<8>();
    luns.iter().map(|it| Lun::from_octets(*it))
}

/// The end of a session whose target has lost a question.
pub fn silent() -> SessionEnd {
    SessionEnd::Silent(Duration::from_nanos(WITHIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::{Sense, SenseCode};

    #[test]
    fn lists_are_read_as_far_as_they_go() {
        let luns = |data: &[u8]| parse_luns(data).map(|it| it.number()).collect::<Vec<_>>();
        let list = [&[0, 0, 0, 16, 0, 0, 0, 0][..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0x41, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(luns(&list), [Some(1), Some(256)]);
        assert_eq!(luns(&list[..20]), [Some(1)]);
        assert_eq!(luns(&[0xff; 9]), []);
        assert_eq!(luns(&[]), []);
    }

    #[test]
    fn a_list_has_to_be_had_and_a_unit_need_not_be_ready() {
        let not_ready = Response::check_condition(Sense::new(SenseKey::NotReady, SenseCode::NOT_READY));
        let attention = Response::check_condition(Sense::unit_attention(SenseCode::POWER_ON));
        let test = Errand::TestUnitReady(Lun::ZERO);
        assert_eq!(test.meaning(&not_ready), Meaning::Done);
        assert_eq!(Errand::ReportLuns.meaning(&not_ready), Meaning::Later);
        assert_eq!([test, Errand::ReportLuns].map(|it| it.meaning(&attention)), [Meaning::UnitAttention; 2]);
        assert_eq!(test.meaning(&Response::with_status(Status::Busy)), Meaning::Later);
    }
}
