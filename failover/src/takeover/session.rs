use std::time::Duration;

use super::fence::{Context, Fence};
use super::{
    Assignment, Effect, Heard, LOG_OUT_WITHIN, LoginRefusal, MAX_RETRY, Phase, RETRY_DENIED, RETRY_LOGIN, Report,
    State, Takeover, Then,
};
use crate::Moment;

/// How sessions begin and end.
impl Takeover {
    pub(super) fn on_heard(&mut self, heard: Heard, now: Moment, effects: &mut Vec<Effect>) {
        match self.state {
            State::Idle | State::Lapsed | State::Away { .. } => {}
            State::LoggingIn => self.on_login_heard(heard, now, effects),
            State::Open(_) if is_over(&heard) => self.on_lost(now, effects),
            State::Open(_) => self.in_fence(now, effects, |fence, context| fence.on_heard(heard, context)),
            State::Finishing { .. } if heard == Heard::Drained => self.log_out(Then::Release, now, effects),
            State::Finishing { .. } if is_over(&heard) => self.release(now, effects),
            State::Finishing { .. } => {}
            State::LoggingOut { then, .. } if is_over(&heard) => self.on_logged_out(then, now, effects),
            State::LoggingOut { .. } => {}
        }
    }

    fn on_login_heard(&mut self, heard: Heard, now: Moment, effects: &mut Vec<Effect>) {
        match heard {
            Heard::LoggedIn => {
                self.confirm(effects);
                self.state = State::Open(Fence::new(self.assignment().fenced_by));
                self.in_fence(now, effects, |fence, context| fence.begin(context));
            }
            Heard::LoginRefused { cause, retry_after } => {
                let retry = retry_after.unwrap_or(retry_of(cause)).min(MAX_RETRY);
                effects.push(Effect::Report(Report::LoginRefused { cause, retry }));
                self.go_away(now + retry, now, effects);
            }
            Heard::LoginTimedOut | Heard::LoggedOut | Heard::Lost => {
                effects.push(Effect::Report(Report::LoginUnanswered { retry: RETRY_LOGIN }));
                self.go_away(now + RETRY_LOGIN, now, effects);
            }
            _ => {}
        }
    }

    /// A session that carried is missed at once; one that broke on the way there may break again.
    fn on_lost(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let State::Open(fence) = &self.state else { return };
        let (phase, carried) = (fence.phase(), fence.carries());
        effects.extend([Effect::Report(Report::SessionLost { phase }), Effect::Hold]);
        self.times.restart(now);
        self.go_away(if carried { now } else { now + RETRY_LOGIN }, now, effects);
    }

    pub(super) fn in_fence(
        &mut self,
        now: Moment,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut Fence, &mut Context),
    ) {
        if let (State::Open(fence), Some(assignment)) = (&mut self.state, &mut self.assignment) {
            let registrations = &mut assignment.registrations;
            step(fence, &mut Context { registrations, times: &mut self.times, effects, now });
        }
    }

    /// To the first login of an assignment. It is as new as what was applied; the login's own confirmation tells the rest.
    pub(super) fn begin(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.lease {
            self.log_in(now, effects);
        } else {
            self.state = State::Lapsed;
        }
    }

    pub(super) fn log_in_if_due(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Away { until, confirmed: true } if now >= until) {
            self.log_in(now, effects);
        }
    }

    fn log_in(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.login.0 += 1;
        self.times.enter(Phase::Login, now);
        self.state = State::LoggingIn;
        effects.push(Effect::LogIn { login: self.login, identity: self.assignment().identity });
    }

    /// There is no session: the next login is not before `until`.
    pub(super) fn go_away(&mut self, until: Moment, now: Moment, effects: &mut Vec<Effect>) {
        self.times.enter(Phase::Login, now);
        self.state = State::Away { until, confirmed: false };
        self.confirm(effects);
    }

    pub(super) fn log_out(&mut self, then: Then, now: Moment, effects: &mut Vec<Effect>) {
        self.times.leave(now);
        self.state = State::LoggingOut { deadline: now + LOG_OUT_WITHIN, then };
        effects.push(Effect::LogOut);
    }

    pub(super) fn on_logged_out(&mut self, then: Then, now: Moment, effects: &mut Vec<Effect>) {
        match then {
            Then::Release => self.release(now, effects),
            Then::LogIn => self.begin(now, effects),
        }
    }

    pub(super) fn release(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.times.leave(now);
        self.state = State::Idle;
        effects.push(Effect::Released(self.assigned()));
    }

    fn confirm(&mut self, effects: &mut Vec<Effect>) {
        self.confirmation += 1;
        effects.push(Effect::Confirm { number: self.confirmation });
    }

    fn assignment(&self) -> &Assignment {
        self.assignment.as_ref().expect("only what is assigned logs in")
    }
}

fn is_over(heard: &Heard) -> bool {
    matches!(heard, Heard::LoggedOut | Heard::Lost)
}

fn retry_of(cause: LoginRefusal) -> Duration {
    match cause {
        LoginRefusal::Denied => RETRY_DENIED,
        LoginRefusal::Unavailable => RETRY_LOGIN,
    }
}
