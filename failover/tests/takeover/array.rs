//! An array that keeps one session of the vHBA, and holds writes for as long as it likes, whoever has logged in since.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use twinrail_failover::takeover::{Heard, Lun, ResetAnswer};

/// A home's connection: its number, and the number of the login.
pub type Connection = (usize, u64);

#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The place in the initiator's order.
    pub order: u64,
    pub lun: Lun,
    pub block: usize,
    pub idempotent: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Request {
    LogIn,
    ReportLuns,
    Test(Lun),
    Reset(Lun),
    Register(Lun),
    /// Under this epoch.
    Write(Command, u64),
    LogOut,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Heard(Heard),
    Written(u64),
    /// Not executed: there is no such LUN.
    NotThere(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Answered while writes of the former session go on.
    AtOnce,
    /// Answered when they have ended.
    Waits,
}

#[derive(Debug)]
struct Taken {
    from: Connection,
    generation: u64,
    command: Command,
    epoch: u64,
}

#[derive(Debug)]
pub struct Array {
    login: Login,
    pub requests: BTreeMap<Connection, VecDeque<Request>>,
    pub answers: BTreeMap<Connection, VecDeque<Answer>>,
    session: Option<Connection>,
    /// Counts the logins.
    generation: u64,
    taken: Vec<Taken>,
    shown: BTreeSet<Lun>,
    attentions: BTreeSet<Lun>,
    /// The next reset is rejected.
    pub rejects: bool,
    /// The newest (epoch, login) of which something was executed, by LUN.
    executed: BTreeMap<Lun, (u64, u64)>,
    pub violations: Vec<String>,
}

pub fn lun(number: u8) -> Lun {
    Lun([0, number, 0, 0, 0, 0, 0, 0])
}

impl Array {
    pub fn new(login: Login) -> Self {
        Self {
            login,
            requests: BTreeMap::new(),
            answers: BTreeMap::new(),
            session: None,
            generation: 0,
            taken: Vec::new(),
            shown: [lun(1), lun(2)].into(),
            attentions: BTreeSet::new(),
            rejects: false,
            executed: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// The next request of this connection arrives.
    pub fn arrive(&mut self, from: Connection) {
        let Some(request) = self.requests.get_mut(&from).and_then(VecDeque::pop_front) else { return };
        match request {
            Request::LogIn => self.log_in(from),
            _ if self.session != Some(from) => {}
            Request::ReportLuns => self.answer(from, Heard::LunsReported(self.shown.clone())),
            Request::Test(lun) if self.attentions.remove(&lun) => self.answer(from, Heard::UnitAttention(lun)),
            Request::Test(lun) => self.answer(from, Heard::Ready(lun)),
            Request::Reset(lun) => self.reset(from, lun),
            Request::Register(lun) => self.answer(from, Heard::Registered(lun)),
            Request::Write(command, epoch) => self.take(from, command, epoch),
            Request::LogOut => {
                self.session = None;
                self.answer(from, Heard::LoggedOut);
            }
        }
    }

    /// The session breaks, and nothing that it had sent.
    pub fn cut(&mut self) {
        if let Some(former) = self.session.take() {
            self.answer(former, Heard::Lost);
        }
    }

    pub fn toggle(&mut self, lun: Lun) {
        if !self.shown.remove(&lun) {
            self.shown.insert(lun);
        }
        if let Some(session) = self.session {
            self.answer(session, Heard::LunsChanged);
        }
    }

    pub fn shows(&self, lun: Lun) -> bool {
        self.shown.contains(&lun)
    }

    /// One of the writes that were taken is executed at last. Returns its place in the initiator's order, and its block.
    pub fn execute(&mut self, which: usize) -> Command {
        let Taken { from, generation, command, epoch } = self.taken.remove(which);
        let newest = self.executed.entry(command.lun).or_default();
        if epoch < newest.0 || generation < newest.1 {
            let text = format!("order: {command:?} of {:?} was executed after {newest:?}", (epoch, generation));
            self.violations.push(text);
        }
        *newest = (*newest).max((epoch, generation));
        if self.session == Some(from) {
            self.answers.entry(from).or_default().push_back(Answer::Written(command.order));
        }
        command
    }

    fn log_in(&mut self, from: Connection) {
        self.cut();
        if self.login == Login::Waits && !self.taken.is_empty() {
            return self.requests.entry(from).or_default().push_front(Request::LogIn);
        }
        self.session = Some(from);
        self.generation += 1;
        self.attentions = self.shown.clone();
        self.answer(from, Heard::LoggedIn);
    }

    fn reset(&mut self, from: Connection, lun: Lun) {
        let answer = match (self.shown.contains(&lun), std::mem::take(&mut self.rejects)) {
            (false, _) => ResetAnswer::NoSuchLun,
            (true, true) => ResetAnswer::Rejected,
            (true, false) => {
                self.taken.retain(|it| it.command.lun != lun);
                self.attentions.insert(lun);
                ResetAnswer::Complete
            }
        };
        self.answer(from, Heard::Reset { lun, answer });
    }

    fn take(&mut self, from: Connection, command: Command, epoch: u64) {
        if self.attentions.contains(&command.lun) && self.shown.contains(&command.lun) {
            self.violations.push(format!("attention: {command:?} met a unit attention"));
        }
        if self.shown.contains(&command.lun) {
            self.taken.push(Taken { from, generation: self.generation, command, epoch });
        } else {
            self.answers.entry(from).or_default().push_back(Answer::NotThere(command.order));
        }
    }

    fn answer(&mut self, to: Connection, heard: Heard) {
        self.answers.entry(to).or_default().push_back(Answer::Heard(heard));
    }
}
