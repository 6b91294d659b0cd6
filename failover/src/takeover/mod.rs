//! The fence and takeover of one vHBA at one SAN, at the director that becomes its home: what has to be done, and in which
//! order, before a command goes out.
//!
//! ```text
//!                    assigned, lease live                 accepted
//!   Idle ──────────────────────────────────▶ LoggingIn ────────────▶ Open ───────────────────────────────┐
//!    ▲ │ assigned, lease lapsed              ▲  │                    UnitAttentions                      │
//!    │ └─────────▶ Lapsed ─ lease live ─┐    │  │ refused,             │ TEST UNIT READY clear everywhere │
//!    │               ▲                  ▼    │  │ unanswered         Reset                                │
//!    │               │ lease lapsed    Away ─┘  │                      │ LUN RESET answered everywhere,   │
//!    │               │  (from all)      ▲  ▲    │                      │ and clear again; or not needed   │
//!    │               │                  │  └────┘                    Reservations                         │
//!    │               │                  │          session lost        │ registered, or refused           │
//!    │               │                  └─────────────────────────── Confirmation                          │
//!    │ newer epoch (from all)              confirmed, and            ▲ │ the home is still here           │
//!    │                                     the time has come    later│Replay                               │
//!    │                                                           LUNs│ │ everything answered              │
//!    │                                                               Admitted                              │
//!    │ released                                                                                            │
//!    └───────── LoggingOut ◀── drained, FINISH_WITHIN ── Finishing ◀── let go, in Replay or Admitted ──────┤
//!                   ▲ └─▶ LoggingIn, if it was a new assignment                                            │
//!                   └────────────────────────────── let go earlier, or assigned with a newer epoch ────────┘
//! ```
//!
//! | in | event | out | next |
//! |---|---|---|---|
//! | Idle, Lapsed, Away | assigned, lease live | LogIn | LoggingIn |
//! | Idle, Lapsed, Away | assigned, no lease | | Lapsed |
//! | LoggingIn | assigned, newer | Stop, LogIn | LoggingIn |
//! | Open | assigned, newer | Hold, LogOut | LoggingOut |
//! | Finishing | assigned, newer | LogOut | LoggingOut |
//! | Lapsed | lease live | Confirm | Away |
//! | Away | lease lapsed | | Lapsed |
//! | LoggingIn, Open, LoggingOut before a login | lease lapsed | Stop | Lapsed |
//! | Finishing, LoggingOut before a release | lease lapsed | Stop, Released | Idle |
//! | Lapsed, Away | newer epoch | | Idle |
//! | LoggingIn, Open, Finishing, LoggingOut | newer epoch | Stop | Idle |
//! | Idle, Lapsed, Away | let go | Released | Idle |
//! | LoggingIn | let go | Stop, Released | Idle |
//! | UnitAttentions … Confirmation, no LUN admitted | let go | Hold, LogOut | LoggingOut |
//! | Replay, Admitted, or LUNs admitted | let go | Hold | Finishing |
//! | Finishing | drained | LogOut | LoggingOut |
//! | Finishing | FINISH_WITHIN is over | Report, LogOut | LoggingOut |
//! | LoggingOut | logged out, or lost | Released or LogIn | Idle or LoggingIn |
//! | LoggingOut | LOG_OUT_WITHIN is over | Report, Stop, Released or LogIn | Idle or LoggingIn |
//! | Finishing | lost | Released | Idle |
//! | Away | confirmed, and the time has come | LogIn | LoggingIn |
//! | LoggingIn | accepted | Confirm, ReportLuns | UnitAttentions |
//! | LoggingIn | refused, unanswered, lost | Report, Confirm | Away |
//! | Open | lost | Report, Hold, Confirm | Away |
//! | UnitAttentions | first list | TestUnitReady each | |
//! | UnitAttentions | all ready | ResetLun each | Reset |
//! | Reset | one complete | TestUnitReady | |
//! | Reset | one rejected | Report, and ResetLun after RETRY_RESET | |
//! | Reset | one unanswered in time | Report | |
//! | Reset | all complete and ready | Register each | Reservations |
//! | Reservations | one refused | Report, GiveBack | |
//! | Reservations | all answered | | Confirmation |
//! | Confirmation | confirmed | Replay | Replay |
//! | Replay | replayed | Admit | Admitted |
//! | Admitted | a list with LUNs not seen before | TestUnitReady each | UnitAttentions, for those |
//! | any phase, Away | SLOW_AFTER, again and again | Report | |
//!
//! Guarantees (rule 6):
//! * Nothing that the initiator asked for goes out before every command of the homes before is dead at the target: LUN RESET
//!   has been answered, in *this* session, for each LUN that is admitted; or the SAN is declared to fence by its login, and the
//!   LUN was shown from the beginning.
//! * An array that blocks the login until old commands have ended is waited for, and fenced like any other: what blocks
//!   today may not tomorrow. A slow array is reported and waited for. No phase is skipped because it takes long.
//! * **A home that does not know yet that it is none any more does no harm either.** Its login may arrive after that of its
//!   successor, and then it ends *its* session: a login is no proof of being the home. So each session replays and admits only
//!   after a quorum round that began when its login had been answered ([`Effect::Confirm`]). If the successor's epoch was committed
//!   by then, the round shows it; if not, the successor's login is yet to come, ends this session, and its resets end what
//!   this session has sent. The round runs beside the fence and costs no time. Another one comes before each login
//!   after a loss, so that two homes do not go on ending each other's sessions.
//! * A session that is lost in any phase starts the fence again from the login; only what is still unanswered then is
//!   replayed. The agent knows the new session, if it is in the same epoch, by the instance of the target that admits it
//!   (`rail::command::Attached`). What is heard of an earlier session, or was not asked for, changes nothing.
//! * After [`Effect::Stop`] nothing goes out. The datapath stops by itself when the lease runs out; the event only makes it known.

mod effect;
mod event;
mod fence;
mod replay;
mod session;
mod times;

use std::hash::{Hash, Hasher};
use std::time::Duration;

use twinrail_proto::domain::Epoch;

use crate::Moment;
pub use effect::{Effect, Report};
pub use event::{
    Assignment, Event, FencedBy, Heard, Identity, LoginNumber, LoginRefusal, Lun, Registration, ResetAnswer,
};
use fence::Fence;
pub use replay::{ReplayPlan, Unanswered, plan_replay};
pub use times::{Phase, Span, Times};

/// Most LUNs of one vHBA. Each takes some requests of every fence, all at once. The first of them are used, by their octets.
pub const MAX_LUNS: usize = 256;

/// How long a phase may take before it is reported, and how often after that. A fence without slow writes takes milliseconds.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);

/// When a login is tried again that was not taken now, or whose session broke. Short: the vHBA's commands wait.
pub const RETRY_LOGIN: Duration = Duration::from_millis(250);

/// When a login is tried again that was denied: somebody has to change something first.
pub const RETRY_DENIED: Duration = Duration::from_secs(5);

/// The longest wait that a target may ask for: one that asks for more is asked again earlier.
pub const MAX_RETRY: Duration = Duration::from_secs(30);

/// When a rejected LUN RESET is sent again.
pub const RETRY_RESET: Duration = Duration::from_millis(500);

/// How long commands in flight are waited for when the vHBA is let go. What is not answered by then is left to the next
/// home's fence.
pub const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How long the answer to a logout is waited for. The next home fences anyway.
pub const LOG_OUT_WITHIN: Duration = Duration::from_secs(1);

/// One vHBA at one SAN, as its home drives it.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// The highest epoch that anybody named.
    newest: Epoch,
    /// The last assignment; its epoch is not assigned again.
    assignment: Option<Assignment>,
    lease: bool,
    /// Of the last login.
    login: LoginNumber,
    /// Of the last question. Answers to earlier ones say too little.
    confirmation: u64,
    state: State,
    times: Times,
}

#[derive(Clone, Debug, Hash)]
enum State {
    /// Nothing is assigned, or it has ended.
    Idle,
    /// Assigned; this director may not carry.
    Lapsed,
    /// No session. The next login waits for both.
    Away {
        until: Moment,
        confirmed: bool,
    },
    LoggingIn,
    Open(Fence),
    /// Let go; commands in flight are waited for.
    Finishing {
        deadline: Moment,
    },
    LoggingOut {
        deadline: Moment,
        then: Then,
    },
}

/// What follows on a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Then {
    Release,
    LogIn,
}

impl Default for Takeover {
    fn default() -> Self {
        Self {
            newest: Epoch(0),
            assignment: None,
            lease: false,
            login: LoginNumber(0),
            confirmation: 0,
            state: State::Idle,
            times: Times::new(Moment::default()),
        }
    }
}

/// All but the times, which decide nothing: machines that differ only in those do the same from here on.
impl Hash for Takeover {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { newest, assignment, lease, login, confirmation, state, times: _ } = self;
        (newest, assignment, lease, login, confirmation, state).hash(hasher);
    }
}

impl Takeover {
    /// Something happened. Returns what is to be done, in order.
    pub fn on_event(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Assigned(assignment) => self.on_assigned(assignment, now, &mut effects),
            Event::LeaseLive => self.on_lease_live(now, &mut effects),
            Event::LeaseLapsed => self.on_lease_lapsed(now, &mut effects),
            Event::Confirmed { number } if number == self.confirmation => self.on_confirmed(now, &mut effects),
            Event::Confirmed { .. } => {}
            Event::NewerEpoch(epoch) => self.on_newer_epoch(epoch, now, &mut effects),
            Event::LetGo(epoch) => self.on_let_go(epoch, now, &mut effects),
            Event::RegistrationChanged { lun, registration } => self.on_registration(lun, registration),
            Event::Session { login, heard } if login == self.login => self.on_heard(heard, now, &mut effects),
            Event::Session { .. } => {}
            Event::Tick => self.on_time(now, &mut effects),
        }
        effects
    }

    /// When [`Event::Tick`] should come next, if nothing comes before.
    pub fn next_deadline(&self) -> Option<Moment> {
        let own = match &self.state {
            State::Away { until, confirmed: true } => Some(*until),
            State::Open(fence) => fence.next_deadline(),
            State::Finishing { deadline } | State::LoggingOut { deadline, .. } => Some(*deadline),
            State::Idle | State::Lapsed | State::Away { confirmed: false, .. } | State::LoggingIn => None,
        };
        own.into_iter().chain(self.times.next_deadline()).min()
    }

    /// The phase that is being gone through; None: neither carried nor being taken over.
    pub fn phase(&self) -> Option<Phase> {
        match &self.state {
            State::Away { .. } | State::LoggingIn => Some(Phase::Login),
            State::Open(fence) => Some(fence.phase()),
            State::Idle | State::Lapsed | State::Finishing { .. } | State::LoggingOut { .. } => None,
        }
    }

    /// For the receipt of the failover.
    pub fn times(&self) -> &Times {
        &self.times
    }

    fn on_assigned(&mut self, assignment: Assignment, now: Moment, effects: &mut Vec<Effect>) {
        if assignment.epoch < self.newest {
            let (named, newest) = (assignment.epoch, self.newest);
            return effects.push(Effect::Report(Report::OldEpoch { named, newest }));
        }
        if assignment.epoch == self.assigned() {
            return;
        }
        self.newest = assignment.epoch;
        self.assignment = Some(assignment);
        self.times = Times::new(now);
        match self.state {
            State::Idle | State::Lapsed | State::Away { .. } => self.begin(now, effects),
            State::LoggingIn => {
                effects.push(Effect::Stop);
                self.begin(now, effects);
            }
            State::Open(_) => {
                effects.push(Effect::Hold);
                self.log_out(Then::LogIn, now, effects);
            }
            State::Finishing { .. } => self.log_out(Then::LogIn, now, effects),
            State::LoggingOut { ref mut then, .. } => *then = Then::LogIn,
        }
    }

    fn on_lease_live(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.lease = true;
        if matches!(self.state, State::Lapsed) {
            self.go_away(now, now, effects);
        }
    }

    fn on_lease_lapsed(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.lease = false;
        match self.state {
            State::Idle | State::Lapsed => return,
            State::Away { .. } => {}
            State::LoggingIn | State::Open(_) | State::LoggingOut { then: Then::LogIn, .. } => {
                effects.push(Effect::Stop);
            }
            State::Finishing { .. } | State::LoggingOut { then: Then::Release, .. } => {
                effects.push(Effect::Stop);
                return self.release(now, effects);
            }
        }
        self.times.restart(now);
        self.state = State::Lapsed;
    }

    fn on_confirmed(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Away { confirmed, .. } => {
                *confirmed = true;
                self.log_in_if_due(now, effects);
            }
            State::Open(_) => self.in_fence(now, effects, |fence, context| fence.on_confirmed(context)),
            State::Idle | State::Lapsed | State::LoggingIn | State::Finishing { .. } | State::LoggingOut { .. } => {}
        }
    }

    fn on_newer_epoch(&mut self, epoch: Epoch, now: Moment, effects: &mut Vec<Effect>) {
        if epoch <= self.newest {
            return;
        }
        self.newest = epoch;
        if self.has_connection() {
            effects.push(Effect::Stop);
        }
        self.times.leave(now);
        self.state = State::Idle;
    }

    fn on_let_go(&mut self, epoch: Epoch, now: Moment, effects: &mut Vec<Effect>) {
        if epoch < self.newest {
            let (named, newest) = (epoch, self.newest);
            return effects.push(Effect::Report(Report::OldEpoch { named, newest }));
        }
        if epoch != self.assigned() {
            return;
        }
        match &self.state {
            State::Idle | State::Lapsed | State::Away { .. } => self.release(now, effects),
            State::LoggingIn => {
                effects.push(Effect::Stop);
                self.release(now, effects);
            }
            State::Open(fence) => {
                effects.push(Effect::Hold);
                if fence.has_commands() {
                    self.times.leave(now);
                    self.state = State::Finishing { deadline: now + FINISH_WITHIN };
                } else {
                    self.log_out(Then::Release, now, effects);
                }
            }
            &State::LoggingOut { deadline, .. } => self.state = State::LoggingOut { deadline, then: Then::Release },
            State::Finishing { .. } => {}
        }
    }

    fn on_registration(&mut self, lun: Lun, registration: Option<Registration>) {
        let Some(Assignment { registrations, .. }) = &mut self.assignment else { return };
        match registration {
            Some(registration) => registrations.insert(lun, registration),
            None => registrations.remove(&lun),
        };
    }

    fn on_time(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if let Some((phase, waited)) = self.times.slow(now) {
            effects.push(Effect::Report(Report::Slow { phase, waited }));
        }
        match self.state {
            State::Away { .. } => self.log_in_if_due(now, effects),
            State::Open(_) => self.in_fence(now, effects, |fence, context| fence.on_time(context)),
            State::Finishing { deadline } if now >= deadline => {
                effects.push(Effect::Report(Report::Unfinished));
                self.log_out(Then::Release, now, effects);
            }
            State::LoggingOut { deadline, then } if now >= deadline => {
                effects.extend([Effect::Report(Report::LogoutUnanswered), Effect::Stop]);
                self.on_logged_out(then, now, effects);
            }
            State::Idle | State::Lapsed | State::LoggingIn | State::Finishing { .. } | State::LoggingOut { .. } => {}
        }
    }

    fn assigned(&self) -> Epoch {
        self.assignment.as_ref().map_or(Epoch(0), |it| it.epoch)
    }

    fn has_connection(&self) -> bool {
        match self.state {
            State::Idle | State::Lapsed | State::Away { .. } => false,
            State::LoggingIn | State::Open(_) | State::Finishing { .. } | State::LoggingOut { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
