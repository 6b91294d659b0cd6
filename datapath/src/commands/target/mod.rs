//! The home director's side of a vHBA, in one session at the SAN: does there what the fence asks for, then admits the agent,
//! has each command executed once, keeps its answer.
//!
//! ```text
//!              admit                     resume        ┌────────────────── stop, the SAN's session ended ──▶ stopped
//!   fencing ───────────▶ serving ◀──────────────────── │                                                      ▲
//!  (Attach is refused)  (Attach is admitted) ── pause ─┴─▶ paused (Attach is refused) ────────────────────────┤
//!     │                   └── hold ──▶ holding: what is at the SAN is answered, nothing new goes there ───────┤
//!     └───────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Guarantees, beside those of [`crate::commands`]:
//! * Only the newest attachment of the bound server is heard, and only while serving. What an older connection still
//!   brings is passed over.
//! * A command goes to the SAN when its LUN is admitted. To one that is shown and not admitted it waits; one that is not shown
//!   is said to be absent, and the array is asked only what changes nothing. Nothing to one LUN waits for another LUN.
//! * Before a new agent's first command goes to the SAN, all commands of its predecessor have ended there: a restarted
//!   agent cannot be overtaken by what it does not remember.
//! * From the return of [`Target::hold`], [`Target::pause`] and [`Target::stop`] on, nothing of the agent goes to the SAN; after
//!   the latter two no answer to the agent.
//!   A pause ends with the same epoch, after a lease that nobody else can have used; nothing is lost by it.
//!
//! A target has its session from the beginning of the login on. What the order of the fence is, and when it is over, is
//! decided by its owner (`failover::takeover`), who hears of it by [`News`].
//! Whoever runs a target asks [`Target::poll`] when the session's descriptor is readable and at the deadline, and does
//! what [`Target::effects`] says.

mod admission;
mod attachment;
mod errands;
mod executions;
mod functions;
mod home;
mod managing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::BorrowedFd;

use bytes::Bytes;
use twinrail_proto::domain::{AdapterId, Epoch, Name};
use twinrail_proto::rail::command::{
    Acknowledge, Body, Command as WireCommand, CommandNumber, Credits, Head, Notice, RefusalCause,
};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use super::{LinkId, Parcel, words};
use crate::rail::Nanos;
use crate::san::{NotTaken, Report, Session, SessionEnd, Tag};
use crate::scsi::{Lun, Response, Sense, SenseCode, Status, TaskAnswer};
use admission::{Admission, Verdict};
use errands::{Errand, Errands};
use executions::{Arrival, Executions, State};
use functions::{Functions, Managing};
pub use home::RESET_WITHIN;

/// A command that has been with the SAN for so long makes the array a slow one: the agent is told, once for each.
pub const SLOW: Nanos = 5_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    pub cluster: ClusterTag,
    pub adapter: AdapterId,
    pub epoch: Epoch,
    /// The server that the adapter is bound to.
    pub server: Name,
    /// Drawn at random for each target: an agent that meets another one in the same epoch knows that its commands are
    /// not remembered.
    pub instance: u64,
    pub credits: Credits,
}

impl TargetConfig {
    /// As deep a queue as disks have, with requests of 256 KiB.
    pub const DEFAULT_CREDITS: Credits = Credits { commands: 128, octets: 32 << 20 };
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Send {
        link: LinkId,
        parcel: Parcel,
    },
    /// Close the connection, when what was to be sent by it is sent. Nothing need be said about it afterwards.
    Close {
        link: LinkId,
    },
    /// For who owns the target.
    News(News),
}

/// What comes out of the session beside the agent's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    LoggedIn,
    /// All that are shown now.
    LunsReported(BTreeSet<Lun>),
    /// A unit attention said that others may be shown now.
    LunsChanged,
    UnitAttention(Lun),
    Ready(Lun),
    Reset {
        lun: Lun,
        answer: TaskAnswer,
    },
    ResetUnanswered(Lun),
    /// After a hold: nothing of the agent is at the SAN.
    Drained,
    /// The SAN's session is over, and with it this target: log in again, and make another one.
    Ended(SessionEnd),
}

/// What went to the SAN for the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub commands: u64,
    pub read_octets: u64,
    pub written_octets: u64,
}

/// Whose a tag at the SAN is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Command(CommandNumber),
    Function(u64),
    /// Of an agent that was replaced.
    Nobody,
    /// Of this director itself.
    Home(Errand),
}

/// What is at the SAN.
#[derive(Clone, Copy, Debug)]
struct Flight {
    owner: Owner,
    lun: Lun,
    since: Nanos,
}

pub struct Target {
    config: TargetConfig,
    session: Box<dyn Session>,
    /// Why nobody is admitted; None: serving.
    closed: Option<RefusalCause>,
    stopped: bool,
    link: Option<LinkId>,
    agent: Option<Incarnation>,
    attempt: u64,
    replaced: VecDeque<Incarnation>,
    /// The most that this agent was ever granted: what it sent before credits were lowered, it may send again by another
    /// connection.
    granted: Credits,
    executions: Executions,
    functions: Functions,
    queue: VecDeque<CommandNumber>,
    tags: BTreeMap<Tag, Flight>,
    /// Functions of replaced agents that are running, with the commands that end by them without a report.
    left: BTreeMap<Tag, Vec<Tag>>,
    next_tag: u64,
    told_slow: Option<Tag>,
    admission: Admission,
    errands: Errands,
    /// The agent is to look again when the list of LUNs is there.
    rescanning: bool,
    told_resets: BTreeSet<Tag>,
    told_drained: bool,
    counters: Counters,
    reports: Vec<Report>,
    effects: Vec<Effect>,
}

impl Target {
    /// `session`: logging in. Nobody is admitted yet.
    pub fn new(config: TargetConfig, session: Box<dyn Session>) -> Self {
        let granted = config.credits;
        Self {
            config,
            session,
            closed: Some(RefusalCause::Fencing),
            stopped: false,
            link: None,
            agent: None,
            attempt: 0,
            replaced: VecDeque::new(),
            granted,
            executions: Executions::default(),
            functions: Functions::default(),
            queue: VecDeque::new(),
            tags: BTreeMap::new(),
            left: BTreeMap::new(),
            next_tag: 0,
            told_slow: None,
            admission: Admission::default(),
            errands: Errands::default(),
            rescanning: false,
            told_resets: BTreeSet::new(),
            told_drained: false,
            counters: Counters::default(),
            reports: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// What is to be done since the last time that this was asked.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub fn epoch(&self) -> Epoch {
        self.config.epoch
    }

    /// The connection that is heard.
    pub fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// How many commands are held for the agent, and with how many octets.
    pub fn held(&self) -> (usize, u64) {
        self.executions.held()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A later message of a connection.
    pub fn received(&mut self, link: LinkId, parcel: Parcel, now: Nanos) {
        if self.link != Some(link) {
            return;
        }
        let Parcel { head: Head { adapter, epoch, body }, data } = parcel;
        let ours = adapter == self.config.adapter && epoch == self.config.epoch;
        let kept = ours
            && match body {
                Body::Command(it) => self.take(&it, data),
                Body::TaskManagement(it) => self.take_function(&it),
                Body::Acknowledge(it) => self.acknowledge(it),
                _ => false,
            };
        if !kept {
            self.give_up_link();
        }
        self.pump(now);
    }

    /// The connection is lost. What it brought goes on.
    pub fn closed(&mut self, link: LinkId) {
        if self.link == Some(link) {
            self.link = None;
        }
    }

    /// Asks the session what happened, and hands over what it takes.
    pub fn poll(&mut self, now: Nanos) {
        if self.stopped {
            return;
        }
        let mut reports = std::mem::take(&mut self.reports);
        self.session.poll(now, &mut reports);
        for report in reports.drain(..) {
            self.report(report, now);
        }
        self.reports = reports;
        self.check_errands(now);
        self.tell_if_slow(now);
        self.pump(now);
    }

    /// Readable when a poll would do something.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.session.fd()
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        let slow = self.oldest().filter(|(tag, _)| self.told_slow != Some(*tag)).map(|(_, since)| since + SLOW);
        let session = if self.stopped { None } else { self.session.next_deadline() };
        let errands = if self.stopped { None } else { self.next_errand_deadline() };
        [slow.filter(|_| self.link.is_some()), session, errands].into_iter().flatten().min()
    }

    /// Nothing may be carried now (the lease has lapsed, …).
    pub fn pause(&mut self, cause: RefusalCause) {
        if !self.stopped {
            self.closed = Some(cause);
            self.dismiss(cause);
        }
    }

    /// The pause is over, with the same epoch. The agent attaches again.
    pub fn resume(&mut self, now: Nanos) {
        if !self.stopped {
            self.closed = None;
            self.pump(now);
        }
    }

    /// Nothing will ever be carried with this epoch again. Dropping the target cuts the session.
    pub fn stop(&mut self, cause: RefusalCause) {
        self.closed = Some(cause);
        self.stopped = true;
        self.queue.clear();
        self.errands.clear();
        self.dismiss(cause);
    }

    /// The agent's share of the director's memory is another from now on. Panics below [`Credits::LEAST`].
    pub fn set_credits(&mut self, credits: Credits) {
        let least = Credits::LEAST;
        assert!(credits.commands >= least.commands && credits.octets >= least.octets, "too little for one command");
        self.config.credits = credits;
        self.granted.commands = self.granted.commands.max(credits.commands);
        self.granted.octets = self.granted.octets.max(credits.octets);
        if let Some(link) = self.link {
            self.send(link, Body::Credit(credits), Bytes::new());
        }
    }

    /// False: the agent breaks order or credit.
    fn take(&mut self, command: &WireCommand, data: Bytes) -> bool {
        let (number, cost) = (command.number, command.cost());
        match self.executions.arrival(number, cost, self.granted) {
            Arrival::New => self.take_new(command, cost, data),
            Arrival::Again => self.take_again(number),
            Arrival::OutOfOrder | Arrival::BeyondCredit => return false,
        }
        true
    }

    fn take_new(&mut self, command: &WireCommand, cost: u64, data: Bytes) {
        let (number, lun) = (command.number, Lun::from_octets(command.lun));
        match words::from_wire(command, data) {
            Ok(taken) => {
                self.executions.insert(number, lun, cost, State::Waiting(taken));
                self.queue.push_back(number);
            }
            Err(error) => {
                tracing::warn!(adapter = %self.config.adapter, %error, "a command that no device server knows");
                let response = Response::check_condition(Sense::illegal_request(SenseCode::INVALID_OPCODE));
                self.executions.insert(number, lun, cost, State::Ended);
                self.answer(number, response);
            }
        }
    }

    /// One that a function ended, and that is asked for all the same, has an agent that does not wait for the function.
    fn take_again(&mut self, number: CommandNumber) {
        match self.executions.state(number) {
            Some(State::Ended) => self.answer(number, Response::with_status(Status::TaskAborted)),
            _ => self.answer_again(number),
        }
    }

    fn answer_again(&mut self, number: CommandNumber) {
        let Some(State::Answered(answer, data)) = self.executions.state(number) else { return };
        let (body, data) = (Body::Answer(answer.clone()), data.clone());
        if let Some(link) = self.link {
            self.send(link, body, data);
        }
    }

    fn answer(&mut self, number: CommandNumber, response: Response) {
        if self.executions.answer(number, response) {
            self.answer_again(number);
        }
    }

    /// False: what was not even received cannot be acknowledged.
    fn acknowledge(&mut self, acknowledge: Acknowledge) -> bool {
        let received = self.executions.all_answered_up_to(acknowledge.commands);
        if received {
            self.executions.acknowledge(acknowledge.commands);
            self.functions.acknowledge(acknowledge.functions);
        }
        received
    }

    fn report(&mut self, report: Report, now: Nanos) {
        match report {
            Report::LoggedIn => self.tell(News::LoggedIn),
            Report::Completed { tag, response } => match self.tags.remove(&tag) {
                Some(Flight { owner: Owner::Command(number), .. }) => {
                    self.counters.read_octets += response.data_in.len() as u64;
                    self.answer(number, response);
                }
                Some(Flight { owner: Owner::Home(errand), since, .. }) => {
                    self.errand_completed(errand, since, &response, now);
                }
                _ => {}
            },
            Report::Managed { tag, answer } => self.managed(tag, answer),
            Report::LunsChanged => self.luns_changed(),
            Report::Ended(end) => self.session_ended(end),
        }
        self.tell_if_drained();
    }

    /// Hands over what may go and what the session takes.
    fn pump(&mut self, now: Nanos) {
        if self.stopped || !self.run_errands(now) {
            return;
        }
        let predecessors = self.tags.values().any(|it| matches!(it.owner, Owner::Nobody));
        if self.closed.is_some() || predecessors {
            return;
        }
        while let Some((number, asked)) = self.functions.first_waiting(|lun| self.admission.lets_manage(lun)) {
            let (tag, lun) = (self.tag(), asked.request.lun);
            if self.session.manage(tag, asked.request, now).is_err() {
                return;
            }
            self.functions.set(number, Managing::Running(asked));
            self.tags.insert(tag, Flight { owner: Owner::Function(number), lun, since: now });
        }
        self.pump_commands(now);
    }

    /// In their order, but for those whose LUN is not admitted.
    fn pump_commands(&mut self, now: Nanos) {
        let mut place = 0;
        while let Some(&number) = self.queue.get(place) {
            let Some(State::Waiting(command)) = self.executions.state(number) else {
                unreachable!("what is in the queue waits")
            };
            match self.admission.verdict(command.lun, &command.cdb) {
                Verdict::Wait => place += 1,
                Verdict::Go if !self.submit(number, now) => return,
                Verdict::Go => drop(self.queue.remove(place)),
                Verdict::NotThere => {
                    self.queue.remove(place);
                    self.answer(
                        number,
                        Response::check_condition(Sense::illegal_request(SenseCode::LUN_NOT_SUPPORTED)),
                    );
                }
            }
        }
    }

    /// False: the session takes no more now.
    fn submit(&mut self, number: CommandNumber, now: Nanos) -> bool {
        let tag = self.tag();
        let Some(State::Waiting(command)) = self.executions.replace(number, State::Running(tag)) else {
            unreachable!("what is in the queue waits")
        };
        let (lun, octets) = (command.lun, command.data_out.len() as u64);
        match self.session.submit(tag, command, now) {
            Ok(()) => {
                self.tags.insert(tag, Flight { owner: Owner::Command(number), lun, since: now });
                self.counters.commands += 1;
                self.counters.written_octets += octets;
                true
            }
            Err(refused) => {
                debug_assert!(matches!(refused.why, NotTaken::Full | NotTaken::NotOpen));
                self.executions.replace(number, State::Waiting(refused.command));
                false
            }
        }
    }

    fn tag(&mut self) -> Tag {
        self.next_tag += 1;
        Tag(self.next_tag)
    }

    /// What has been at the SAN for the longest time, of the agent's.
    fn oldest(&self) -> Option<(Tag, Nanos)> {
        let of_agent = self.tags.iter().find(|(_, it)| !matches!(it.owner, Owner::Home(_)));
        of_agent.map(|(&tag, it)| (tag, it.since))
    }

    fn tell_if_slow(&mut self, now: Nanos) {
        let Some((tag, since)) = self.oldest() else { return };
        if self.link.is_some() && now >= since + SLOW && self.told_slow != Some(tag) {
            self.told_slow = Some(tag);
            let waits_ms = u32::try_from((now - since) / 1_000_000).unwrap_or(u32::MAX);
            self.notify(Notice::ArraySlow(waits_ms));
        }
    }

    fn notify(&mut self, notice: Notice) {
        if let Some(link) = self.link {
            self.send(link, Body::Notice(notice), Bytes::new());
        }
    }

    fn send(&mut self, link: LinkId, body: Body, data: Bytes) {
        let head = Head { adapter: self.config.adapter, epoch: self.config.epoch, body };
        self.effects.push(Effect::Send { link, parcel: Parcel { head, data } });
    }
}
