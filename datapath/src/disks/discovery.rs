//! Which logical units a vHBA sees, and what they are: REPORT LUNS, then each unit is asked, all at the same time.

use std::collections::{BTreeMap, BTreeSet};

use super::limits;
use super::unit::{Inquiry, Learned, Unit};
use crate::nbd::scsi::{Verdict, judge};
use crate::rail::Nanos;
use crate::scsi::{Cdb, Command, Lun, Response};

/// By LUN: the unit, or why it is not served.
pub(super) type Units = BTreeMap<u16, Result<Unit, String>>;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    List,
    Unit(u16),
}

/// One discovery from its first question to its end.
#[derive(Debug)]
pub(super) struct Discovery {
    mask: BTreeSet<u16>,
    list: List,
    asking: BTreeMap<u16, Asking<Inquiry>>,
    units: Units,
}

#[derive(Debug)]
enum List {
    Asking(Asking<u32>),
    Known,
    Failed(String),
}

/// Somebody with one question at a time.
#[derive(Debug)]
struct Asking<T> {
    who: T,
    /// The question is on its way.
    asked: bool,
    not_before: Nanos,
}

impl<T> Asking<T> {
    fn new(who: T) -> Self {
        Self { who, asked: false, not_before: 0 }
    }

    fn may_ask(&mut self, now: Nanos) -> bool {
        let may = !self.asked && now >= self.not_before;
        self.asked |= may;
        may
    }

    fn again(&mut self, not_before: Nanos) {
        (self.asked, self.not_before) = (false, not_before);
    }

    fn deadline(&self) -> Option<Nanos> {
        (!self.asked).then_some(self.not_before)
    }
}

impl Discovery {
    /// Of the LUNs in `mask`; empty: of all.
    pub fn new(mask: BTreeSet<u16>) -> Self {
        Self { mask, list: List::Asking(Asking::new(0)), asking: BTreeMap::new(), units: Units::new() }
    }

    /// The next command to be sent, if there is one now.
    pub fn next_question(&mut self, now: Nanos) -> Option<(Question, Command)> {
        if let List::Asking(asking) = &mut self.list {
            return asking.may_ask(now).then(|| (Question::List, report_luns()));
        }
        self.asking.iter_mut().find_map(|(&lun, it)| it.may_ask(now).then(|| (Question::Unit(lun), it.who.command())))
    }

    /// When [`Self::next_question`] has one, though nothing is answered in between.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let list = match &self.list {
            List::Asking(asking) => asking.deadline(),
            List::Known | List::Failed(_) => None,
        };
        self.asking.values().filter_map(Asking::deadline).chain(list).min()
    }

    /// The question could not be sent: it is asked again.
    pub fn refused(&mut self, question: Question, now: Nanos) {
        match (question, &mut self.list) {
            (Question::List, List::Asking(asking)) => asking.again(now + limits::PAUSE),
            (Question::List, _) => {}
            (Question::Unit(lun), _) => {
                if let Some(asking) = self.asking.get_mut(&lun) {
                    asking.again(now + limits::PAUSE);
                }
            }
        }
    }

    pub fn answered(&mut self, question: Question, response: &Response, now: Nanos) {
        match question {
            Question::List => self.list_answered(response, now),
            Question::Unit(lun) => self.unit_answered(lun, response, now),
        }
    }

    /// What came of it, once all is answered. An error: the list itself was not to be had.
    pub fn outcome(&mut self) -> Option<Result<Units, String>> {
        match &self.list {
            List::Asking(_) => None,
            List::Failed(problem) => Some(Err(problem.clone())),
            List::Known if !self.asking.is_empty() => None,
            List::Known => Some(Ok(std::mem::take(&mut self.units))),
        }
    }

    fn list_answered(&mut self, response: &Response, now: Nanos) {
        let List::Asking(asking) = &mut self.list else { return };
        let pause = match judge(response, false) {
            Verdict::Done => {
                self.list = List::Known;
                return self.take_list(&response.data_in);
            }
            Verdict::Again | Verdict::AgainAfterLoss => 0,
            Verdict::Hold => limits::PAUSE,
            Verdict::Unsupported | Verdict::Fail(_) => Nanos::MAX,
        };
        asking.who += 1;
        if pause < Nanos::MAX && asking.who <= limits::ATTEMPTS {
            return asking.again(now + pause);
        }
        let sense = response.sense.map_or_else(String::new, |sense| format!(", {sense}"));
        self.list = List::Failed(format!("the SAN does not answer REPORT LUNS: {}{sense}", response.status));
    }

    /// SPC-4, 6.33: the length of the list, four reserved octets, LUNs of eight.
    fn take_list(&mut self, data: &[u8]) {
        let listed = data.get(..4).map_or(0, |it| it.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet)));
        let entries = data.get(8..).unwrap_or_default();
        let entries = &entries[..entries.len().min(listed)];
        let mut luns: BTreeMap<u16, Vec<Lun>> = BTreeMap::new();
        for entry in entries.as_chunks::<8>().0 {
            let lun = Lun::from_octets(*entry);
            if let Some(number) = lun.number().filter(|it| self.mask.is_empty() || self.mask.contains(it)) {
                luns.entry(number).or_default().push(lun);
            }
        }
        if listed / 8 > limits::LUNS || luns.len() > limits::LUNS {
            tracing::warn!(listed = listed / 8, most = limits::LUNS, "the SAN shows more LUNs than a vHBA has");
        }
        for (number, luns) in luns.into_iter().take(limits::LUNS) {
            match luns[..] {
                [lun] => _ = self.asking.insert(number, Asking::new(Inquiry::new(lun))),
                _ => _ = self.units.insert(number, Err(clash(number, &luns))),
            }
        }
    }

    fn unit_answered(&mut self, lun: u16, response: &Response, now: Nanos) {
        let Some(asking) = self.asking.get_mut(&lun) else { return };
        let found = match asking.who.answered(response) {
            Ok(Learned::More) => return asking.again(now),
            Ok(Learned::Wait) => return asking.again(now + limits::PAUSE),
            Ok(Learned::Known(unit)) => Some(Ok(unit)),
            Ok(Learned::Absent) => None,
            Err(error) => Some(Err(error.to_string())),
        };
        self.asking.remove(&lun);
        self.units.extend(found.map(|it| (lun, it)));
    }
}

fn report_luns() -> Command {
    const ALLOCATION: u32 = 8 * (limits::LUNS as u32 + 1);
    Command::reading(Lun::ZERO, Cdb::report_luns(ALLOCATION), ALLOCATION)
}

/// A unit in two forms of address may be two units: writing to either could be writing to the wrong one.
fn clash(number: u16, luns: &[Lun]) -> String {
    let octets = |lun: &Lun| lun.octets().map(|it| format!("{it:02x}")).concat();
    let forms: Vec<String> = luns.iter().map(octets).collect();
    format!(
        "the SAN shows several units as LUN {number} ({}); give each a number of its own at the array, then rescan",
        forms.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(luns: &[[u8; 8]]) -> Response {
        let mut data = ((luns.len() * 8) as u32).to_be_bytes().to_vec();
        data.extend([0; 4]);
        data.extend(luns.as_flattened());
        Response { data_in: data.into(), ..Response::good() }
    }

    fn listed(mask: &[u16], luns: &[[u8; 8]]) -> Discovery {
        let mut discovery = Discovery::new(mask.iter().copied().collect());
        let (question, command) = discovery.next_question(0).expect("a question");
        assert_eq!((question, command.cdb.octets()[0]), (Question::List, 0xa0));
        assert!(discovery.next_question(0).is_none(), "one at a time");
        discovery.answered(question, &list(luns), 0);
        discovery
    }

    fn asked(discovery: &mut Discovery) -> Vec<Question> {
        std::iter::from_fn(|| discovery.next_question(0)).map(|it| it.0).collect()
    }

    const FIVE: [u8; 8] = [0, 5, 0, 0, 0, 0, 0, 0];
    const FLAT_FIVE: [u8; 8] = [0x40, 5, 0, 0, 0, 0, 0, 0];
    const SIX: [u8; 8] = [0, 6, 0, 0, 0, 0, 0, 0];

    #[test]
    fn all_units_are_asked_at_once_and_only_those_of_the_mask() {
        assert_eq!(asked(&mut listed(&[], &[FIVE, SIX])), [Question::Unit(5), Question::Unit(6)]);
        assert_eq!(asked(&mut listed(&[6, 7], &[FIVE, SIX])), [Question::Unit(6)]);
        assert_eq!(listed(&[7], &[FIVE, SIX]).outcome(), Some(Ok(Units::new())));
    }

    #[test]
    fn a_number_that_two_units_have_is_nobodys() {
        let mut discovery = listed(&[], &[FIVE, FLAT_FIVE]);
        assert_eq!(asked(&mut discovery), []);
        let units = discovery.outcome().expect("over").expect("a list");
        let problem = units[&5].as_ref().expect_err("a problem");
        assert!(problem.contains("0005000000000000, 4005000000000000"), "{problem}");
    }

    #[test]
    fn a_list_that_lies_about_its_length_is_read_as_far_as_it_goes() {
        let mut lying = list(&[FIVE]);
        lying.data_in = [&[0xff, 0xff, 0xff, 0xf8], &lying.data_in[4..], &[1, 2, 3]].concat().into();
        let mut discovery = Discovery::new(BTreeSet::new());
        let (question, _) = discovery.next_question(0).expect("a question");
        discovery.answered(question, &lying, 0);
        assert_eq!(asked(&mut discovery), [Question::Unit(5)]);
    }

    #[test]
    fn a_san_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
        let mut discovery = Discovery::new(BTreeSet::new());
        let (question, _) = discovery.next_question(0).expect("a question");
        discovery.answered(question, &Response::with_status(crate::scsi::Status::Busy), 7);
        assert_eq!(discovery.next_deadline(), Some(7 + limits::PAUSE));
        assert!(discovery.next_question(7).is_none() && discovery.outcome().is_none());
        let (question, _) = discovery.next_question(7 + limits::PAUSE).expect("again");
        discovery.answered(question, &Response::with_status(crate::scsi::Status::ReservationConflict), 8);
        let problem = discovery.outcome().expect("over").expect_err("no list");
        assert!(problem.contains("REPORT LUNS"), "{problem}");
    }
}
