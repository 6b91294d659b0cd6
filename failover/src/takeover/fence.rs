use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, FencedBy, Heard, Lun, MAX_LUNS, Phase, RETRY_RESET, Registration, Report, ResetAnswer, Times};
use crate::Moment;

/// The fence in one session: the LUNs of a batch go through the phases together. The first batch is what the first list
/// shows; LUNs that appear later wait until it is admitted, and are the next one.
#[derive(Clone, Debug, Hash)]
pub(super) struct Fence {
    fenced_by: FencedBy,
    phase: Phase,
    /// A list has come.
    listed: bool,
    /// A batch has been admitted, or was not needed any more: the next ones are of LUNs that appeared later.
    past_first: bool,
    /// A quorum has said, after this session began, that the home is here.
    confirmed: bool,
    batch: BTreeMap<Lun, Step>,
    later: BTreeSet<Lun>,
    admitted: BTreeSet<Lun>,
}

/// What a LUN of the batch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The answer to TEST UNIT READY.
    Test,
    /// The answer to LUN RESET.
    Reset,
    /// The time at which a rejected LUN RESET is sent again.
    ResetAgain(Moment),
    /// The answer to the registration.
    Register,
    /// The other LUNs.
    Done,
}

/// What the fence uses beside its own state.
pub(super) struct Context<'a> {
    pub registrations: &'a mut BTreeMap<Lun, Registration>,
    pub times: &'a mut Times,
    pub effects: &'a mut Vec<Effect>,
    pub now: Moment,
}

impl Fence {
    pub fn new(fenced_by: FencedBy) -> Self {
        Self {
            fenced_by,
            phase: Phase::UnitAttentions,
            listed: false,
            past_first: false,
            confirmed: false,
            batch: BTreeMap::new(),
            later: BTreeSet::new(),
            admitted: BTreeSet::new(),
        }
    }

    /// The login was answered.
    pub fn begin(&mut self, context: &mut Context) {
        context.times.enter(Phase::UnitAttentions, context.now);
        context.effects.push(Effect::ReportLuns);
    }

    /// Whether new commands go out to some LUN.
    pub fn carries(&self) -> bool {
        !self.admitted.is_empty()
    }

    /// Whether commands of the initiator may be in flight.
    pub fn has_commands(&self) -> bool {
        self.phase == Phase::Replay || self.carries()
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn on_heard(&mut self, heard: Heard, context: &mut Context) {
        match heard {
            Heard::LunsReported(luns) => self.on_luns(luns, context),
            Heard::LunsChanged => context.effects.push(Effect::ReportLuns),
            Heard::UnitAttention(lun) => self.on_attention(lun, context),
            Heard::Ready(lun) => self.on_ready(lun, context),
            Heard::Reset { lun, answer } => self.on_reset(lun, answer, context),
            Heard::ResetUnanswered(lun) => self.on_reset_unanswered(lun, context),
            Heard::Registered(lun) => self.step_from(lun, Step::Register, Step::Done),
            Heard::RegistrationRefused(lun) => self.on_registration_refused(lun, context),
            Heard::Replayed => self.on_replayed(context),
            Heard::LoggedIn
            | Heard::LoginRefused { .. }
            | Heard::LoginTimedOut
            | Heard::LoggedOut
            | Heard::Lost
            | Heard::Drained => {}
        }
        self.advance(context);
    }

    pub fn on_confirmed(&mut self, context: &mut Context) {
        self.confirmed = true;
        self.advance(context);
    }

    /// Sends the rejected resets again that have waited long enough.
    pub fn on_time(&mut self, context: &mut Context) {
        for (&lun, step) in &mut self.batch {
            if matches!(step, Step::ResetAgain(at) if context.now >= *at) {
                *step = Step::Reset;
                context.effects.push(Effect::ResetLun(lun));
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Moment> {
        let at = |step: &Step| if let Step::ResetAgain(at) = step { Some(*at) } else { None };
        self.batch.values().filter_map(at).min()
    }

    fn on_luns(&mut self, shown: BTreeSet<Lun>, context: &mut Context) {
        let shown = limited(shown, context.effects);
        let withdrawn: BTreeSet<Lun> = self.admitted.difference(&shown).copied().collect();
        if !withdrawn.is_empty() {
            context.effects.push(Effect::Withdraw(withdrawn));
        }
        self.admitted.retain(|it| shown.contains(it));
        self.batch.retain(|it, _| shown.contains(it));
        let known = |it: &Lun| self.admitted.contains(it) || self.batch.contains_key(it);
        self.later = shown.into_iter().filter(|it| !known(it)).collect();
        if !self.listed {
            self.listed = true;
            self.begin_batch(context);
        }
    }

    fn begin_batch(&mut self, context: &mut Context) {
        self.batch = std::mem::take(&mut self.later).into_iter().map(|lun| (lun, Step::Test)).collect();
        context.effects.extend(self.batch.keys().map(|&lun| Effect::TestUnitReady(lun)));
    }

    /// What met the unit attention was not executed, and is sent again: a registration after TEST UNIT READY has shown that
    /// no other one is pending.
    fn on_attention(&mut self, lun: Lun, context: &mut Context) {
        if let Some(step @ (Step::Test | Step::Register)) = self.batch.get_mut(&lun) {
            *step = Step::Test;
            context.effects.push(Effect::TestUnitReady(lun));
        }
    }

    fn on_ready(&mut self, lun: Lun, context: &mut Context) {
        if self.batch.get(&lun) != Some(&Step::Test) {
            return;
        }
        let next = if self.phase == Phase::Reservations { register(lun, context) } else { Step::Done };
        self.step_from(lun, Step::Test, next);
    }

    /// A reset may leave a unit attention for who asked for it as well.
    fn on_reset(&mut self, lun: Lun, answer: ResetAnswer, context: &mut Context) {
        if self.batch.get(&lun) != Some(&Step::Reset) {
            return;
        }
        match answer {
            ResetAnswer::Complete => {
                self.batch.insert(lun, Step::Test);
                context.effects.push(Effect::TestUnitReady(lun));
            }
            ResetAnswer::Rejected => {
                self.batch.insert(lun, Step::ResetAgain(context.now + RETRY_RESET));
                context.effects.push(Effect::Report(Report::ResetRejected(lun)));
            }
            ResetAnswer::NoSuchLun => {
                self.batch.remove(&lun);
                context.effects.push(Effect::Report(Report::LunGone(lun)));
            }
        }
    }

    /// It is not sent again: a second one, executed after the first was answered, would end this session's own commands.
    fn on_reset_unanswered(&mut self, lun: Lun, context: &mut Context) {
        if self.batch.get(&lun) == Some(&Step::Reset) {
            context.effects.push(Effect::Report(Report::ResetUnanswered(lun)));
        }
    }

    fn on_registration_refused(&mut self, lun: Lun, context: &mut Context) {
        if self.batch.get(&lun) == Some(&Step::Register) {
            context.registrations.remove(&lun);
            context.effects.extend([Effect::Report(Report::RegistrationRefused(lun)), Effect::GiveBack(lun)]);
            self.step_from(lun, Step::Register, Step::Done);
        }
    }

    fn on_replayed(&mut self, context: &mut Context) {
        if self.phase == Phase::Replay {
            let luns: BTreeSet<Lun> = std::mem::take(&mut self.batch).into_keys().collect();
            self.admitted.extend(&luns);
            context.effects.push(Effect::Admit(luns));
            self.enter(Phase::Admitted, context);
        }
    }

    fn step_from(&mut self, lun: Lun, from: Step, to: Step) {
        if let Some(step) = self.batch.get_mut(&lun).filter(|it| **it == from) {
            *step = to;
        }
    }

    /// Enters the next phase as long as the present one has nothing left to wait for.
    fn advance(&mut self, context: &mut Context) {
        while let Some(next) = self.next_phase() {
            self.enter(next, context);
        }
    }

    fn next_phase(&self) -> Option<Phase> {
        let batch_done = || self.listed && self.batch.values().all(|it| *it == Step::Done);
        match self.phase {
            phase if phase < Phase::Replay && self.is_later_batch_gone() => Some(Phase::Admitted),
            Phase::Login => None,
            Phase::UnitAttentions => batch_done().then_some(Phase::Reset),
            Phase::Reset => batch_done().then_some(Phase::Reservations),
            Phase::Reservations => batch_done().then_some(Phase::Confirmation),
            Phase::Confirmation => self.confirmed.then_some(Phase::Replay),
            Phase::Replay => None,
            Phase::Admitted => (!self.later.is_empty()).then_some(Phase::UnitAttentions),
        }
    }

    /// None of the LUNs that were to be admitted beside others is shown any more.
    fn is_later_batch_gone(&self) -> bool {
        self.batch.is_empty() && self.carries()
    }

    fn enter(&mut self, phase: Phase, context: &mut Context) {
        self.phase = phase;
        context.times.enter(phase, context.now);
        match phase {
            Phase::UnitAttentions => self.begin_batch(context),
            Phase::Reset if self.needs_reset() => {
                self.batch.values_mut().for_each(|step| *step = Step::Reset);
                context.effects.extend(self.batch.keys().map(|&lun| Effect::ResetLun(lun)));
            }
            Phase::Reservations => self.batch.iter_mut().for_each(|(&lun, step)| *step = register(lun, context)),
            Phase::Replay => context.effects.push(Effect::Replay(self.batch.keys().copied().collect())),
            Phase::Admitted => self.past_first = true,
            Phase::Login | Phase::Reset | Phase::Confirmation => {}
        }
    }

    /// A login ends what came before it. A LUN that was shown, was hidden and is shown again may still hold commands of this
    /// session, and they are to be dead before they are replayed.
    fn needs_reset(&self) -> bool {
        self.fenced_by == FencedBy::LunReset || self.past_first
    }
}

fn register(lun: Lun, context: &mut Context) -> Step {
    match context.registrations.get(&lun) {
        Some(&registration) => {
            context.effects.push(Effect::Register { lun, registration });
            Step::Register
        }
        None => Step::Done,
    }
}

fn limited(mut shown: BTreeSet<Lun>, effects: &mut Vec<Effect>) -> BTreeSet<Lun> {
    if let Some(&first_beyond) = shown.iter().nth(MAX_LUNS) {
        effects.push(Effect::Report(Report::TooManyLuns { shown: shown.len(), limit: MAX_LUNS }));
        shown.split_off(&first_beyond);
    }
    shown
}
