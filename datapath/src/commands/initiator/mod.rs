//! The agent's side of a vHBA: takes commands, sees to it that each is answered, whatever becomes of paths and homes.
//!
//! ```text
//!   submit ─▶ held ── home attached, credit ──▶ sent ── Answer ──▶ Completed
//!              ▲ │                               │ │
//!              │ │     connection lost ◀─────────┘ │
//!              └─┼── another home or instance of   ┤
//!                │   it: may be replayed           │
//!                │                                 └─ may not ───▶ Completed: outcome unknown
//!                └── io_timeout ─────────────────────────────────▶ Completed: timed out
//! ```
//!
//! Guarantees, beside those of [`crate::commands`]:
//! * Messages go out only within the credits of the home, in the order of the commands' numbers.
//! * A home with a lower epoch than the highest that was heard of is never followed.
//! * A command is *held* while no attached home has it. One that was held for `io_timeout` without a break ends with an
//!   error. If its home may still execute it, nothing new goes to that home before it has said what became of it: a late
//!   write never overtakes a newer one.
//! * A command that is with an attached home is that home's business, however long the array takes.
//!
//! The caller does what [`Initiator::effects`] says, tells what came of it, and calls [`Initiator::tick`] at the deadline.

mod connection;
mod outcome;
mod waiting;
mod window;

use std::collections::BTreeSet;

use twinrail_proto::domain::{AdapterId, DirectorId, Name, Rail};
use twinrail_proto::rail::command::{
    Acknowledge, Answer, Attach, Attached, Body, CommandNumber, Head, Notice, Refused, TaskAnswer as WireAnswer,
};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use super::{LinkId, Parcel, words};
use crate::rail::Nanos;
use crate::scsi::replay::{Replay, replay};
use crate::scsi::{Command, Response, Status, TaskAnswer, TaskFunction, TaskManagement};
use connection::Connection;
pub use connection::{ATTACH_TIMEOUT, Attachment, Home, RETRY};
pub use outcome::{answer_without_sense, nobody_took_it, outcome_unknown, timed_out};
pub use waiting::{MAX_COMMANDS, MAX_OCTETS};
use waiting::{Table, Turn, WaitingFunction, cost};
use window::Window;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiatorConfig {
    pub cluster: ClusterTag,
    pub server: Name,
    pub adapter: AdapterId,
    /// Of this agent, drawn when it started.
    pub incarnation: Incarnation,
    /// How long a command may be held.
    pub io_timeout: Nanos,
}

impl InitiatorConfig {
    /// As long as Linux gives a SCSI disk's command by default, twice: a takeover is over long before.
    pub const DEFAULT_IO_TIMEOUT: Nanos = 60_000_000_000;
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open a connection; say `connected` or `closed`.
    Connect {
        link: LinkId,
        director: DirectorId,
        rail: Rail,
    },
    Send {
        link: LinkId,
        parcel: Parcel,
    },
    /// Close the connection. Nothing need be said about it afterwards.
    Close {
        link: LinkId,
    },
    /// The command has ended.
    Completed {
        number: CommandNumber,
        response: Response,
    },
    /// The function has ended; these commands ended by it, and get no answer of their own.
    Managed {
        number: u64,
        answer: TaskAnswer,
        ended: Vec<CommandNumber>,
    },
    Notice(Notice),
    /// The home does not admit this agent. It is asked again.
    Refused(Refused),
}

/// Why a command or a function was not taken. Nothing became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error(
        "the command has more data than the {} octets that a rail carries",
        twinrail_proto::rail::command::MAX_DATA
    )]
    TooLong,
    #[error("the vHBA holds as many commands as it takes")]
    Full,
}

pub struct Initiator {
    config: InitiatorConfig,
    connection: Connection,
    table: Table,
    window: Window,
    /// What has to be sent by the present attachment.
    turns: BTreeSet<Turn>,
    functions_acknowledged: u64,
    replayed: u64,
    effects: Vec<Effect>,
}

impl Initiator {
    pub fn new(config: InitiatorConfig) -> Self {
        Self {
            config,
            connection: Connection::default(),
            table: Table::default(),
            window: Window::default(),
            turns: BTreeSet::new(),
            functions_acknowledged: 0,
            replayed: 0,
            effects: Vec::new(),
        }
    }

    /// What is to be done since the last time that this was asked.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes a command; its number names it until it is answered.
    pub fn submit(&mut self, command: Command, now: Nanos) -> Result<CommandNumber, NotTaken> {
        let number = self.table.add(command, now)?;
        if self.connection.attached().is_some() {
            self.turns.insert(Turn::command(number));
            self.pump();
        }
        Ok(number)
    }

    /// Takes a task management function; the tag of an ABORT TASK is the command's number. Commands that it names and that
    /// were never sent to this home end here. One that has no answer when the home or its instance changes ends with FUNCTION REJECTED:
    /// the fence has dealt with what was running, and whoever asked decides what is still to be done.
    pub fn manage(&mut self, request: TaskManagement, now: Nanos) -> Result<u64, NotTaken> {
        let after = self.window.sent_up_to();
        let waiting = WaitingFunction { request, after, ended: Vec::new(), on_link: false, held_since: now };
        let number = self.table.add_function(waiting)?;
        let named = self.table.named(&request, CommandNumber(u64::MAX));
        let (sent, unsent): (Vec<_>, Vec<_>) = named.into_iter().partition(|&it| self.window.has_sent(it));
        let ended = self.end_unsent(&unsent);
        let nobody_to_ask = matches!(request.function, TaskFunction::AbortTask { .. }) && sent.is_empty();
        let answer = if ended.is_empty() { TaskAnswer::NoSuchTask } else { TaskAnswer::Complete };
        if let Some(waiting) = self.table.functions.get_mut(&number) {
            waiting.ended = ended;
        }
        if nobody_to_ask {
            self.end_function(number, answer);
        } else if self.connection.attached().is_some() {
            self.turns.insert(Turn::function(number, after));
            self.pump();
        }
        Ok(number)
    }

    /// The control plane says who the home is; None: nobody, now. What is older than what is known is passed over.
    pub fn set_home(&mut self, home: Option<Home>, now: Nanos) {
        let Some(new_epoch) = self.connection.set_home(home) else { return };
        if let Some(link) = self.connection.link() {
            self.effects.push(Effect::Close { link });
        }
        self.connection.reset();
        self.detach(now);
        if new_epoch {
            self.begin_anew();
        }
        self.tick(now);
    }

    /// A path to the home came up or went down. All are taken for up until something else is said.
    pub fn set_path(&mut self, rail: Rail, up: bool, now: Nanos) {
        if let Some(link) = self.connection.set_path(rail, up) {
            self.give_up(link, now);
        }
        self.tick(now);
    }

    /// The link that was asked for is open.
    pub fn connected(&mut self, link: LinkId, now: Nanos) {
        let Some(attempt) = self.connection.connected(link, now) else { return };
        let (cluster, server) = (self.config.cluster, self.config.server.clone());
        let Acknowledge { commands, functions } = self.acknowledgement();
        let (first, first_function) = (CommandNumber(commands.0 + 1), functions + 1);
        let incarnation = self.config.incarnation;
        self.send(link, Body::Attach(Attach { cluster, server, incarnation, attempt, first, first_function }));
    }

    /// The link could not be opened, or is lost.
    pub fn closed(&mut self, link: LinkId, now: Nanos) {
        if self.connection.link() == Some(link) {
            self.connection.lost(now);
            self.detach(now);
            self.tick(now);
        }
    }

    /// A message came. One of a link that was given up, or of another epoch, is passed over.
    pub fn received(&mut self, link: LinkId, parcel: Parcel, now: Nanos) {
        let Parcel { head: Head { adapter, epoch, body }, data } = parcel;
        let ours = adapter == self.config.adapter && epoch == self.connection.epoch();
        if self.connection.link() != Some(link) || !ours {
            return;
        }
        let attached = self.connection.attached() == Some(link);
        match body {
            Body::Attached(it) => self.attached(link, it, now),
            Body::Refused(it) => self.refused(link, it, now),
            Body::Answer(it) if attached => self.answered(link, &it, data, now),
            Body::TaskAnswer(it) if attached => self.function_answered(&it),
            Body::Credit(it) if attached => self.window.set_limit(it),
            Body::Notice(it) if attached => self.effects.push(Effect::Notice(it)),
            _ => self.give_up(link, now),
        }
        self.pump();
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Nanos) {
        if let Some(link) = self.connection.overdue(now) {
            self.give_up(link, now);
        }
        self.expire(now);
        if let Some(connection::Opening { link, director, rail }) = self.connection.open(now) {
            self.effects.push(Effect::Connect { link, director, rail });
        }
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        let expiry = self.table.next_expiry(self.config.io_timeout);
        [self.connection.next_deadline(), expiry].into_iter().flatten().min()
    }

    /// The rail by which the home has attached this agent, if it has.
    pub fn attached_by(&self) -> Option<Rail> {
        self.attachment().map(|it| it.rail)
    }

    /// The home that has attached this agent, if one has, and how.
    pub fn attachment(&self) -> Option<Attachment> {
        self.connection.attachment()
    }

    /// Commands that were sent once more, by another connection or to another home.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    fn attached(&mut self, link: LinkId, attached: Attached, now: Nanos) {
        if !self.connection.attach(attached.attempt) {
            return self.give_up(link, now);
        }
        if self.connection.meets_another(attached.instance) {
            self.begin_anew();
        }
        let Acknowledge { commands, functions } = self.acknowledgement();
        self.window.release(commands);
        self.functions_acknowledged = functions;
        self.window.set_limit(attached.credits);
        self.turns = self.table.turns().collect();
    }

    fn refused(&mut self, link: LinkId, refused: Refused, now: Nanos) {
        self.effects.extend([Effect::Close { link }, Effect::Refused(refused)]);
        self.connection.refused(now);
        self.detach(now);
    }

    /// A link over which nothing sensible comes, or nothing at all.
    fn give_up(&mut self, link: LinkId, now: Nanos) {
        self.effects.push(Effect::Close { link });
        self.connection.lost(now);
        self.detach(now);
    }

    fn detach(&mut self, now: Nanos) {
        self.turns.clear();
        self.table.hold(now);
    }

    fn answered(&mut self, link: LinkId, answer: &Answer, data: bytes::Bytes, now: Nanos) {
        let asked = self.table.commands.get(&answer.number).filter(|it| it.on_link);
        let Some(room) = asked.map(|it| it.command.data_in_length) else { return self.give_up(link, now) };
        let response = words::answer_from_wire(answer, data, room).unwrap_or_else(answer_without_sense);
        self.complete(answer.number, response);
    }

    fn function_answered(&mut self, answer: &WireAnswer) {
        self.end_function(answer.number, words::result_from_wire(answer.result));
    }

    /// Answers the command to its owner, unless that was done.
    fn complete(&mut self, number: CommandNumber, response: Response) {
        self.turns.remove(&Turn::command(number));
        if self.table.remove(number).is_some_and(|it| !it.orphan) {
            self.effects.push(Effect::Completed { number, response });
        }
    }

    fn end_function(&mut self, number: u64, answer: TaskAnswer) {
        let Some(WaitingFunction { request, after, mut ended, .. }) = self.table.functions.remove(&number) else {
            return;
        };
        self.turns.remove(&Turn::function(number, after));
        if answer.is_complete() {
            let named = self.table.named(&request, after);
            ended.extend(self.end_unsent(&named));
        } else {
            let aborted = |number| Effect::Completed { number, response: Response::with_status(Status::TaskAborted) };
            self.effects.extend(std::mem::take(&mut ended).into_iter().map(aborted));
        }
        self.effects.push(Effect::Managed { number, answer, ended });
    }

    /// Takes commands away without an answer. Gives those whose owners are still waiting.
    fn end_unsent(&mut self, numbers: &[CommandNumber]) -> Vec<CommandNumber> {
        for &number in numbers {
            self.turns.remove(&Turn::command(number));
        }
        let waited_for = |it: &&CommandNumber| self.table.remove(**it).is_some_and(|it| !it.orphan);
        numbers.iter().filter(waited_for).copied().collect()
    }

    /// There is another home, or the same one has another session at the SAN. The commands of the former one are dead or
    /// finished when the new one admits anybody: what is to become of those that have no answer is decided now.
    fn begin_anew(&mut self) {
        self.window = Window::default();
        for number in self.table.functions.keys().copied().collect::<Vec<_>>() {
            self.end_function(number, TaskAnswer::Rejected);
        }
        let over = |it: &waiting::Waiting| it.orphan || it.sent && replay(&it.command.cdb) != Replay::Safe;
        let ending = self.table.commands.iter().filter(|(_, it)| over(it)).map(|(&number, _)| number);
        for number in ending.collect::<Vec<_>>() {
            self.complete(number, outcome_unknown());
        }
    }

    /// Ends what was held for too long.
    fn expire(&mut self, now: Nanos) {
        let timeout = self.config.io_timeout;
        if self.table.next_expiry(timeout).is_none_or(|it| now < it) {
            return;
        }
        let late = |since: Nanos| now >= since.saturating_add(timeout);
        let functions = self.table.functions.iter().filter(|(_, it)| !it.on_link && late(it.held_since));
        for number in functions.map(|it| *it.0).collect::<Vec<_>>() {
            self.end_function(number, TaskAnswer::Rejected);
        }
        let commands = self.table.commands.iter();
        let commands = commands.filter(|(_, it)| !it.on_link && !it.orphan && late(it.held_since));
        for (number, sent) in commands.map(|(&number, it)| (number, it.sent)).collect::<Vec<_>>() {
            let response = if sent { timed_out() } else { nobody_took_it() };
            match self.window.has_sent(number) {
                true => self.orphan(number, response),
                false => self.complete(number, response),
            }
        }
        self.pump();
    }

    fn orphan(&mut self, number: CommandNumber, response: Response) {
        self.table.make_orphan(number);
        self.effects.push(Effect::Completed { number, response });
    }

    /// Sends what may be sent.
    fn pump(&mut self) {
        let Some(link) = self.connection.attached() else { return };
        while let Some(&turn) = self.turns.first() {
            let sent = match turn.what() {
                Ok(function) => self.send_function(link, function),
                Err(number) => self.send_command(link, number),
            };
            if !sent {
                break;
            }
            self.turns.remove(&turn);
        }
        let Acknowledge { commands, functions } = self.acknowledgement();
        let many_functions = functions > self.functions_acknowledged;
        if self.window.worth_acknowledging(self.window.would_release(commands)) || many_functions {
            self.acknowledge(link);
        }
    }

    /// False: it has to wait.
    fn send_command(&mut self, link: LinkId, number: CommandNumber) -> bool {
        let cost = cost(&self.table.commands[&number].command);
        if !self.window.has_sent(number) {
            if self.table.has_orphans() {
                return false;
            }
            if !self.window.has_room(cost) {
                self.acknowledge(link);
            }
            if !self.window.has_room(cost) {
                return false;
            }
            self.window.send(number, cost);
        }
        let Some(waiting) = self.table.commands.get_mut(&number) else { return true };
        self.replayed += u64::from(waiting.sent);
        (waiting.sent, waiting.on_link) = (true, true);
        let (body, data) = (words::to_wire(number, &waiting.command), waiting.command.data_out.clone());
        let head = Head { adapter: self.config.adapter, epoch: self.connection.epoch(), body: Body::Command(body) };
        self.effects.push(Effect::Send { link, parcel: Parcel { head, data } });
        true
    }

    fn send_function(&mut self, link: LinkId, number: u64) -> bool {
        if let Some(waiting) = self.table.functions.get_mut(&number) {
            waiting.on_link = true;
            let body = words::function_to_wire(number, &waiting.request);
            self.send(link, Body::TaskManagement(body));
        }
        true
    }

    fn acknowledgement(&self) -> Acknowledge {
        let commands = self.table.answered_up_to(self.window.sent_up_to());
        Acknowledge { commands, functions: self.table.functions_answered_up_to() }
    }

    fn acknowledge(&mut self, link: LinkId) {
        let acknowledgement = self.acknowledgement();
        let freed = self.window.would_release(acknowledgement.commands) > 0;
        if freed || acknowledgement.functions > self.functions_acknowledged {
            self.window.release(acknowledgement.commands);
            self.functions_acknowledged = acknowledgement.functions;
            self.send(link, Body::Acknowledge(acknowledgement));
        }
    }

    fn send(&mut self, link: LinkId, body: Body) {
        let head = Head { adapter: self.config.adapter, epoch: self.connection.epoch(), body };
        self.effects.push(Effect::Send { link, parcel: Parcel { head, data: bytes::Bytes::new() } });
    }
}
