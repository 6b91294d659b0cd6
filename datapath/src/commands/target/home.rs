//! What the home does by itself in the session: it reads what is shown, clears unit attentions, resets LUNs before it
//! admits commands to them, holds, and logs out. What comes of it is [`News`].

use std::collections::BTreeSet;

use twinrail_proto::rail::command::{Notice, RefusalCause};

use super::errands::{self, Errand, Meaning, Waiting, parse_luns};
use super::executions::State;
use super::{Effect, Flight, News, Owner, Target};
use crate::commands::initiator::outcome_unknown;
use crate::rail::Nanos;
use crate::san::{SessionEnd, Tag};
use crate::scsi::{Lun, Response, TaskAnswer, TaskFunction, TaskManagement};

/// After so long without an answer to LUN RESET it is said that there is none. It is waited for all the same.
pub const RESET_WITHIN: Nanos = 5_000_000_000;

impl Target {
    /// Asks what is shown: [`News::LunsReported`].
    pub fn report_luns(&mut self, now: Nanos) {
        self.begin_errand(Errand::ReportLuns, now);
    }

    /// Asks what is shown, and has the agent look again whatever comes out.
    pub fn rescan(&mut self, now: Nanos) {
        self.rescanning = true;
        self.report_luns(now);
    }

    /// [`News::Ready`] or [`News::UnitAttention`].
    pub fn test_unit_ready(&mut self, lun: Lun, now: Nanos) {
        self.begin_errand(Errand::TestUnitReady(lun), now);
    }

    /// [`News::Reset`]. What the agent has in flight at this LUN is dead then, and its outcome unknown.
    pub fn reset(&mut self, lun: Lun, now: Nanos) {
        self.begin_errand(Errand::Reset(lun), now);
    }

    /// The fence of these LUNs is over: commands to them go out. From the first time on, the agent is admitted.
    pub fn admit(&mut self, luns: &BTreeSet<Lun>, now: Nanos) {
        self.admission.admit(luns);
        if self.closed == Some(RefusalCause::Fencing) && !self.stopped {
            self.closed = None;
        }
        self.pump(now);
    }

    /// These LUNs are not shown any more.
    pub fn withdraw(&mut self, luns: &BTreeSet<Lun>, now: Nanos) {
        self.admission.withdraw(luns);
        self.pump(now);
    }

    /// Nothing of the agent goes out any more; what is at the SAN goes on and is answered. [`News::Drained`] when there is
    /// nothing.
    pub fn hold(&mut self) {
        self.admission.hold();
        self.notify(Notice::HomeLeaving);
        self.tell_if_drained();
    }

    /// [`News::Ended`] follows.
    pub fn log_out(&mut self, now: Nanos) {
        self.admission.hold();
        self.errands.clear();
        self.session.log_out(now);
    }

    fn begin_errand(&mut self, errand: Errand, now: Nanos) {
        self.errands.ask(errand, now);
        self.pump(now);
    }

    /// Hands over what is due of the home's own. False: the session takes no more now.
    pub(super) fn run_errands(&mut self, now: Nanos) -> bool {
        while let Some(waiting) = self.errands.take_due(now) {
            if !self.run_errand(waiting, now) {
                self.errands.give_back(waiting);
                return false;
            }
        }
        true
    }

    fn run_errand(&mut self, Waiting { errand, since, .. }: Waiting, now: Nanos) -> bool {
        let tag = self.tag();
        let taken = match errand.command() {
            Some(command) => self.session.submit(tag, command, now).is_ok(),
            None => {
                let request = TaskManagement { lun: errand.lun(), function: TaskFunction::LunReset };
                self.session.manage(tag, request, now).is_ok()
            }
        };
        if taken {
            self.tags.insert(tag, Flight { owner: Owner::Home(errand), lun: errand.lun(), since });
        }
        taken
    }

    pub(super) fn errand_completed(&mut self, errand: Errand, since: Nanos, response: &Response, now: Nanos) {
        match (errand, errand.meaning(response)) {
            (Errand::TestUnitReady(lun), Meaning::Done) => self.tell(News::Ready(lun)),
            (Errand::TestUnitReady(lun), Meaning::UnitAttention) => self.tell(News::UnitAttention(lun)),
            (Errand::ReportLuns, Meaning::Done) => self.luns_reported(parse_luns(&response.data_in).collect()),
            (_, Meaning::UnitAttention) => self.errands.again(errand, since, now),
            (_, Meaning::Later) => self.errands.again(errand, since, now + errands::RETRY),
            (Errand::Reset(_), Meaning::Done) => unreachable!("a function is no command"),
        }
    }

    fn luns_reported(&mut self, luns: BTreeSet<Lun>) {
        if std::mem::take(&mut self.rescanning) || *self.admission.shown() != luns {
            self.notify(Notice::LunsChanged);
        }
        self.admission.set_shown(luns.clone());
        self.tell(News::LunsReported(luns));
    }

    pub(super) fn luns_changed(&mut self) {
        self.rescanning = true;
        self.admission.doubt();
        self.tell(News::LunsChanged);
    }

    pub(super) fn reset_answered(&mut self, lun: Lun, answer: TaskAnswer) {
        if answer.is_complete() {
            self.end_flights(lun);
        }
        self.tell(News::Reset { lun, answer });
    }

    /// What was at this LUN is dead or finished, and nobody says which.
    fn end_flights(&mut self, lun: Lun) {
        for number in self.executions.unfinished(lun) {
            if let Some(&State::Running(tag)) = self.executions.state(number) {
                self.tags.remove(&tag);
                self.answer(number, outcome_unknown());
            }
        }
        self.tags.retain(|_, it| it.lun != lun || !matches!(it.owner, Owner::Nobody));
    }

    /// A function has ended all commands of a LUN, and perhaps the home's own with them.
    pub(super) fn repeat_errands(&mut self, lun: Lun) {
        let own = |it: &Flight| match it.owner {
            Owner::Home(errand) => it.lun == lun && errand.command().is_some(),
            _ => false,
        };
        for (_, Flight { owner, since, .. }) in self.tags.extract_if(.., |_, it| own(it)) {
            if let Owner::Home(errand) = owner {
                self.errands.again(errand, since, since);
            }
        }
    }

    /// Ends the session when the target has lost a question, and says once that a LUN RESET takes long.
    pub(super) fn check_errands(&mut self, now: Nanos) {
        let flying = self.own_flights().map(|(_, errand, since)| (errand, since));
        let lost = |(errand, since): (Errand, Nanos)| errand.command().is_some() && now >= since + errands::WITHIN;
        if self.errands.waiting().chain(flying).any(lost) {
            return self.session_ended(errands::silent());
        }
        let late = |(tag, errand, since): (Tag, Errand, Nanos)| match errand {
            Errand::Reset(lun) if now >= since + RESET_WITHIN && !self.told_resets.contains(&tag) => Some((tag, lun)),
            _ => None,
        };
        for (tag, lun) in self.own_flights().filter_map(late).collect::<Vec<_>>() {
            self.told_resets.insert(tag);
            self.tell(News::ResetUnanswered(lun));
        }
    }

    pub(super) fn next_errand_deadline(&self) -> Option<Nanos> {
        let flying = self.own_flights().filter_map(|(tag, errand, since)| match errand {
            Errand::Reset(_) => (!self.told_resets.contains(&tag)).then_some(since + RESET_WITHIN),
            _ => Some(since + errands::WITHIN),
        });
        flying.chain(self.errands.next_deadline()).min()
    }

    fn own_flights(&self) -> impl Iterator<Item = (Tag, Errand, Nanos)> + '_ {
        self.tags.iter().filter_map(|(&tag, it)| match it.owner {
            Owner::Home(errand) => Some((tag, errand, it.since)),
            _ => None,
        })
    }

    pub(super) fn tell_if_drained(&mut self) {
        let busy = self.tags.values().any(|it| !matches!(it.owner, Owner::Home(_)));
        if self.admission.is_holding() && !busy && !std::mem::replace(&mut self.told_drained, true) {
            self.tell(News::Drained);
        }
    }

    pub(super) fn session_ended(&mut self, end: SessionEnd) {
        self.stop(RefusalCause::Fencing);
        self.tell(News::Ended(end));
    }

    pub(super) fn tell(&mut self, news: News) {
        self.effects.push(Effect::News(news));
    }
}
