//! One vHBA at its home: what `failover::takeover` decides, done in a session at the SAN, and what comes of it told back.
//!
//! ```text
//!   table, lease, rounds ─▶ Takeover ── LogIn ──▶ San::log_in ──▶ a Target in TcpTargets (nobody is admitted yet)
//!                               ▲    ── ReportLuns, TestUnitReady, ResetLun, Admit, Withdraw, Hold, LogOut ──▶ Target
//!                               │    ── Stop ──▶ the Target is dropped, and its connections with it
//!                               └────────────────────────── News of the Target ─────────────────────────────────┘
//! ```
//!
//! Each login is a target of its own, with an instance of its own: the agent that attaches to it replays by itself. So the
//! replay of the takeover is over as soon as it begins.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use twinrail_datapath::commands::Target;
use twinrail_datapath::commands::target::{Counters, News, TargetConfig};
use twinrail_datapath::commands::tcp::TcpTargets;
use twinrail_datapath::san::{Identity as SanIdentity, SessionEnd, SessionId};
use twinrail_datapath::scsi::{Lun as ScsiLun, TaskAnswer};
use twinrail_datapath::{Clock, Nanos};
use twinrail_failover::Moment;
use twinrail_failover::takeover::{
    Assignment, Effect, Event, FencedBy, Heard, Identity, LoginNumber, LoginRefusal, Lun, Phase, Report, ResetAnswer,
    Takeover,
};
use twinrail_proto::domain::{AdapterId, Epoch, Name};
use twinrail_proto::rail::ClusterTag;
use twinrail_proto::rail::command::{Credits, RefusalCause};

use super::table::{HomedVhba, Port};
use crate::telemetry::error_text;

/// What all homes of a director use.
pub struct Place {
    pub targets: TcpTargets,
    pub clock: Clock,
    pub director: Name,
    pub cluster: ClusterTag,
    /// For proving that tests bite: LUNs are not reset.
    pub skip_fence: bool,
}

/// One vHBA of which this director is the home.
pub struct Home {
    adapter: AdapterId,
    takeover: Takeover,
    wanted: HomedVhba,
    lease: bool,
    /// The takeover knows the present assignment.
    assigned: bool,
    /// Commands may have gone out by another port or as another WWPN, of which a login here says nothing.
    port_changed: bool,
    login: LoginNumber,
    logged_in: bool,
    question: Option<Question>,
    admission: Option<Admission>,
    /// Why commands do not pass now.
    problem: String,
    /// Why the last session or login ended, until another login succeeds.
    last_end: String,
    luns: BTreeSet<ScsiLun>,
    /// Of targets that are gone.
    counted: Counters,
    logins: u64,
    sessions_lost: u64,
    phase: (&'static str, Nanos),
}

/// Asks for a quorum round that begins after `asked_at`.
#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    asked_at: Nanos,
}

/// Commands pass since the fence of this epoch was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub epoch: Epoch,
    /// What the fence before it took.
    pub phases: Vec<(Phase, Duration)>,
}

/// A vHBA as its home has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub epoch: Epoch,
    pub phase: &'static str,
    /// Since when it is in this phase.
    pub phase_since: Nanos,
    pub problem: String,
    pub luns: BTreeSet<ScsiLun>,
    pub counters: Counters,
    pub logins: u64,
    pub sessions_lost: u64,
    pub held: u64,
    pub target: String,
    pub phases: Vec<(Phase, Duration)>,
    pub admitted: bool,
}

impl Home {
    pub fn new(adapter: AdapterId, wanted: HomedVhba, lease: bool, place: &mut Place) -> Self {
        let mut home = Self {
            adapter,
            takeover: Takeover::default(),
            wanted,
            lease: false,
            assigned: false,
            port_changed: false,
            login: LoginNumber(0),
            logged_in: false,
            question: None,
            admission: None,
            problem: String::new(),
            last_end: String::new(),
            luns: BTreeSet::new(),
            counted: Counters::default(),
            logins: 0,
            sessions_lost: 0,
            phase: ("idle", place.clock.now()),
        };
        home.set_lease(lease, place);
        home.follow(place);
        home
    }

    /// What the table says now.
    pub fn set(&mut self, wanted: HomedVhba, place: &mut Place) {
        let before = std::mem::replace(&mut self.wanted, wanted);
        let now = &self.wanted;
        let same_epoch = before.epoch == now.epoch;
        let (port, former_port) = (now.port.generation(), before.port.generation());
        let other_nexus = port != former_port || before.wwpn != now.wwpn;
        let kept_after_all = same_epoch && before.letting_go && !now.letting_go;
        let news = !same_epoch || other_nexus || before.letting_go != now.letting_go || port.is_none();
        self.port_changed |= other_nexus && former_port.is_some();
        if self.assigned && (other_nexus || kept_after_all) {
            self.begin_again(place);
        }
        self.share_credits(before.credits, place);
        if news {
            self.follow(place);
        }
    }

    /// A lease that has ended takes everything away; one that lives again begins with a new session.
    pub fn set_lease(&mut self, live: bool, place: &mut Place) {
        if self.lease != live {
            self.lease = live;
            self.tell(if live { Event::LeaseLive } else { Event::LeaseLapsed }, place);
        }
    }

    /// A lease was granted that had been asked for then, and everything that the round found committed is in the table.
    pub fn granted(&mut self, asked_at: Nanos, place: &mut Place) {
        if let Some(Question { number, .. }) = self.question.take_if(|it| it.asked_at < asked_at) {
            self.tell(Event::Confirmed { number }, place);
        }
    }

    /// Since when a quorum round is waited for, if one is.
    pub fn asked_at(&self) -> Option<Nanos> {
        self.question.map(|it| it.asked_at)
    }

    pub fn phase(&self) -> &'static str {
        self.phase.0
    }

    /// The session in which what is heard now was said.
    pub fn login(&self) -> LoginNumber {
        self.login
    }

    pub fn hear(&mut self, news: News, place: &mut Place) {
        let heard = self.heard(news);
        self.tell(Event::Session { login: self.login, heard }, place);
    }

    pub fn tick(&mut self, place: &mut Place) {
        self.tell(Event::Tick, place);
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.takeover.next_deadline().map(Moment::as_nanos)
    }

    /// Another director is the home, or nobody.
    pub fn close(mut self, place: &mut Place) {
        self.drop_target(RefusalCause::NotHome, place);
    }

    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    pub fn facts(&self, place: &mut Place) -> Facts {
        let now = place.clock.now();
        let target = place.targets.target(self.adapter);
        let held = target.as_ref().map_or(0, |it| it.held().0 as u64);
        let counters = target.map_or(self.counted, |it| sum(self.counted, it.counters()));
        Facts {
            epoch: self.wanted.epoch,
            phase: self.phase.0,
            phase_since: self.phase.1,
            problem: self.problem.clone(),
            luns: self.luns.clone(),
            counters,
            logins: self.logins,
            sessions_lost: self.sessions_lost,
            held,
            target: self.wanted.port.description(),
            phases: self.phases(now),
            admitted: self.admission.is_some(),
        }
    }

    /// Tells the takeover what the table wants.
    fn follow(&mut self, place: &mut Place) {
        let HomedVhba { epoch, wwpn, fenced_by, letting_go, .. } = self.wanted;
        if let Port::Unusable { problem } = &self.wanted.port {
            self.problem = problem.clone();
            return self.set_phase(place);
        }
        if letting_go {
            return self.tell(Event::LetGo(epoch), place);
        }
        self.assigned = true;
        let fenced_by = if self.port_changed { FencedBy::LunReset } else { fenced_by };
        let identity = Identity { wwpn, session: SessionId::of(self.adapter).0 };
        let registrations = Default::default();
        self.tell(Event::Assigned(Assignment { epoch, identity, fenced_by, registrations }), place);
    }

    /// With nothing of what there was.
    fn begin_again(&mut self, place: &mut Place) {
        self.drop_target(RefusalCause::Fencing, place);
        self.takeover = Takeover::default();
        (self.assigned, self.question, self.admission) = (false, None, None);
        if std::mem::take(&mut self.lease) {
            self.set_lease(true, place);
        }
    }

    fn share_credits(&mut self, before: Credits, place: &mut Place) {
        if before != self.wanted.credits
            && let Some(target) = place.targets.target(self.adapter)
        {
            target.set_credits(self.wanted.credits);
        }
    }

    /// Tells the takeover, and does what it says, until nothing is left.
    fn tell(&mut self, event: Event, place: &mut Place) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = Moment::from_nanos(place.clock.now());
            for effect in self.takeover.on_event(event, now) {
                events.extend(self.act(effect, place));
            }
        }
        self.set_phase(place);
    }

    /// Does it. What is known at once is told next.
    fn act(&mut self, effect: Effect, place: &mut Place) -> Option<Event> {
        match effect {
            Effect::LogIn { login, identity } => return self.log_in(login, identity, place),
            Effect::Confirm { number } => {
                self.question = Some(Question { number, asked_at: place.clock.now() });
            }
            Effect::ResetLun(lun) if place.skip_fence => {
                return Some(self.said(Heard::Reset { lun, answer: ResetAnswer::Complete }));
            }
            Effect::Replay(_) => return Some(self.said(Heard::Replayed)),
            Effect::Stop => self.drop_target(self.cause(), place),
            Effect::Released(epoch) => self.released(epoch, place),
            Effect::Report(report) => self.report(report, place),
            Effect::Register { .. } | Effect::GiveBack(_) => {
                unreachable!("no registrations were named in the assignment")
            }
            of_session => return self.act_in_session(of_session, place),
        }
        None
    }

    fn act_in_session(&mut self, effect: Effect, place: &mut Place) -> Option<Event> {
        let now = place.clock.now();
        if matches!(effect, Effect::Hold) {
            self.admission = None;
        }
        let Some(target) = place.targets.target(self.adapter) else {
            return matches!(effect, Effect::LogOut).then(|| self.said(Heard::LoggedOut));
        };
        match effect {
            Effect::ReportLuns => target.report_luns(now),
            Effect::TestUnitReady(lun) => target.test_unit_ready(scsi(lun), now),
            Effect::ResetLun(lun) => target.reset(scsi(lun), now),
            Effect::Admit(luns) => {
                target.admit(&luns.into_iter().map(scsi).collect(), now);
                self.admitted(place);
            }
            Effect::Withdraw(luns) => target.withdraw(&luns.into_iter().map(scsi).collect(), now),
            Effect::Hold => target.hold(),
            Effect::LogOut => target.log_out(now),
            other => unreachable!("{other:?} is not about the session"),
        }
        None
    }

    fn log_in(&mut self, login: LoginNumber, identity: Identity, place: &mut Place) -> Option<Event> {
        self.drop_target(RefusalCause::Fencing, place);
        (self.login, self.logged_in) = (login, false);
        let Port::Usable { san, .. } = &self.wanted.port else { return Some(self.said(Heard::Lost)) };
        let identity = SanIdentity { wwpn: identity.wwpn, session: SessionId(identity.session) };
        let session = match san.log_in(identity, place.clock.now()) {
            Ok(session) => session,
            Err(end) => return Some(self.ended(end)),
        };
        let config = TargetConfig {
            cluster: place.cluster,
            adapter: self.adapter,
            epoch: self.wanted.epoch,
            server: self.wanted.server.clone(),
            instance: rand::random(),
            credits: self.wanted.credits,
        };
        match place.targets.insert(self.adapter, Target::new(config, session)) {
            Ok(()) => None,
            Err(error) => Some(self.ended(SessionEnd::Unavailable(error.to_string()))),
        }
    }

    fn admitted(&mut self, place: &Place) {
        let (adapter, epoch) = (self.adapter, self.wanted.epoch);
        self.problem.clear();
        self.port_changed = false;
        if self.admission.is_none() {
            let phases = self.phases(place.clock.now());
            tracing::info!(director = %place.director, %adapter, %epoch, ?phases, "the vHBA's commands pass");
            self.admission = Some(Admission { epoch, phases });
        }
    }

    fn released(&mut self, epoch: Epoch, place: &mut Place) {
        tracing::info!(director = %place.director, adapter = %self.adapter, %epoch, "the vHBA is let go");
        self.drop_target(RefusalCause::NotHome, place);
    }

    fn report(&mut self, report: Report, place: &Place) {
        self.problem = match (&report, self.problem.is_empty()) {
            // It says why the login is tried again, where the session has said more.
            (Report::LoginRefused { .. } | Report::LoginUnanswered { .. } | Report::SessionLost { .. }, false) => {
                std::mem::take(&mut self.problem)
            }
            (Report::Slow { .. }, _) if !self.last_end.is_empty() => {
                format!("{}; the last try ended: {}", error_text(&report), self.last_end)
            }
            _ => error_text(&report),
        };
        let (adapter, epoch, problem) = (self.adapter, self.wanted.epoch, &self.problem);
        tracing::warn!(director = %place.director, %adapter, %epoch, problem, report = error_text(&report), "vHBA");
    }

    /// With its session and its connections.
    fn drop_target(&mut self, cause: RefusalCause, place: &mut Place) {
        self.admission = None;
        if let Some(target) = place.targets.target(self.adapter) {
            self.counted = sum(self.counted, target.counters());
            place.targets.remove(self.adapter, cause);
        }
    }

    fn cause(&self) -> RefusalCause {
        if self.lease { RefusalCause::Fencing } else { RefusalCause::NoLease }
    }

    fn heard(&mut self, news: News) -> Heard {
        match news {
            News::LoggedIn => {
                self.logged_in = true;
                self.logins += 1;
                self.problem.clear();
                self.last_end.clear();
                Heard::LoggedIn
            }
            News::LunsReported(luns) => {
                self.luns.clone_from(&luns);
                Heard::LunsReported(luns.into_iter().map(own).collect())
            }
            News::LunsChanged => Heard::LunsChanged,
            News::UnitAttention(lun) => Heard::UnitAttention(own(lun)),
            News::Ready(lun) => Heard::Ready(own(lun)),
            News::Reset { lun, answer } => Heard::Reset { lun: own(lun), answer: reset_answer(answer) },
            News::ResetUnanswered(lun) => Heard::ResetUnanswered(own(lun)),
            News::Drained => Heard::Drained,
            News::Ended(end) => self.heard_end(&end),
        }
    }

    fn ended(&mut self, end: SessionEnd) -> Event {
        let heard = self.heard_end(&end);
        self.said(heard)
    }

    fn heard_end(&mut self, end: &SessionEnd) -> Heard {
        if *end == SessionEnd::LoggedOut {
            return Heard::LoggedOut;
        }
        self.problem = error_text(end);
        self.last_end.clone_from(&self.problem);
        let refused = |cause| Heard::LoginRefused { cause, retry_after: None };
        match end {
            SessionEnd::Denied(_) if !self.logged_in => refused(LoginRefusal::Denied),
            SessionEnd::Unavailable(_) if !self.logged_in => refused(LoginRefusal::Unavailable),
            _ => {
                self.sessions_lost += u64::from(self.logged_in);
                Heard::Lost
            }
        }
    }

    fn said(&self, heard: Heard) -> Event {
        Event::Session { login: self.login, heard }
    }

    fn phases(&self, now: Nanos) -> Vec<(Phase, Duration)> {
        let now = Moment::from_nanos(now);
        let times = self.takeover.times();
        let taken = Phase::ALL.into_iter().filter(|it| *it != Phase::Admitted);
        taken.filter_map(|phase| Some((phase, times.span(phase)?.duration(now)))).collect()
    }

    fn set_phase(&mut self, place: &Place) {
        let phase = match self.takeover.phase() {
            Some(phase) => phase.name(),
            None if self.assigned && !self.lease => "lapsed",
            None => "idle",
        };
        if phase != self.phase.0 {
            self.phase = (phase, place.clock.now());
        }
    }
}

fn sum(a: Counters, b: Counters) -> Counters {
    Counters {
        commands: a.commands + b.commands,
        read_octets: a.read_octets + b.read_octets,
        written_octets: a.written_octets + b.written_octets,
    }
}

fn scsi(lun: Lun) -> ScsiLun {
    ScsiLun::from_octets(lun.0)
}

fn own(lun: ScsiLun) -> Lun {
    Lun(lun.octets())
}

fn reset_answer(answer: TaskAnswer) -> ResetAnswer {
    match answer {
        TaskAnswer::Complete => ResetAnswer::Complete,
        TaskAnswer::NoSuchLun => ResetAnswer::NoSuchLun,
        TaskAnswer::NoSuchTask | TaskAnswer::NotSupported | TaskAnswer::NotAuthorized | TaskAnswer::Rejected => {
            ResetAnswer::Rejected
        }
    }
}
