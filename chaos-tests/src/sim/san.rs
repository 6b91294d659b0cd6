//! An array that keeps one session for each vHBA, and holds writes for as long as it likes, whoever has logged in since. A LUN
//! RESET ends what it holds. Modelled on what real targets were seen to do: a login alone ends nothing.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_failover::takeover::{Heard, Lun, ResetAnswer};
use twinrail_proto::domain::{AdapterId, Epoch};

use super::context::{Context, Event};
use super::message::Command;
use super::observation::Observation;
use super::queue::{MICRO, MILLI, Nanos};

pub const BLOCKS: usize = 4;

/// One way between a director and the array.
const WIRE: Nanos = 150 * MICRO;

pub fn lun() -> Lun {
    Lun([0, 1, 0, 0, 0, 0, 0, 0])
}

/// A session of one vHBA by one director, or the attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    pub director: u8,
    pub life: u32,
    pub adapter: AdapterId,
    pub number: u64,
}

#[derive(Clone, Debug)]
pub enum Request {
    LogIn,
    ReportLuns,
    Test(Lun),
    Reset(Lun),
    Command { epoch: Epoch, server: u8, command: Command },
    LogOut,
    Cut,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Heard(Heard),
    Completed { order: u64, value: Option<u64> },
}

#[derive(Debug, Default)]
pub struct Array {
    units: BTreeMap<AdapterId, Unit>,
    taken: BTreeMap<u64, Taken>,
    numbers: u64,
    /// Directors that cannot reach it.
    pub cut: [bool; 8],
    /// Of a thousand writes, how many are slow.
    pub slow: u64,
    pub login_waits: bool,
}

#[derive(Debug, Default)]
struct Unit {
    session: Option<Connection>,
    /// Counts the logins.
    logins: u64,
    waiting: Vec<Connection>,
    attention: bool,
    blocks: [u64; BLOCKS],
}

#[derive(Debug)]
struct Taken {
    from: Connection,
    login: u64,
    epoch: Epoch,
    server: u8,
    command: Command,
}

/// A director's request sets out.
pub fn send(connection: Connection, request: Request, ctx: &mut Context) {
    ctx.queue.push(ctx.now + WIRE, Event::AtArray { connection, request });
}

impl Array {
    pub fn new(slow: u64, login_waits: bool) -> Self {
        Self { slow, login_waits, ..Self::default() }
    }

    pub fn on_request(&mut self, connection: Connection, request: Request, ctx: &mut Context) {
        if self.cut[usize::from(connection.director)] {
            return;
        }
        let Connection { adapter, .. } = connection;
        let unit = self.units.entry(adapter).or_default();
        match request {
            Request::LogIn => {
                unit.waiting.push(connection);
                self.admit(adapter, ctx);
            }
            _ if unit.session != Some(connection) => {
                if matches!(request, Request::Cut) {
                    unit.waiting.retain(|it| *it != connection);
                }
            }
            Request::ReportLuns => answer(connection, Heard::LunsReported(BTreeSet::from([lun()])), ctx),
            Request::Test(lun) => {
                let attention = std::mem::take(&mut unit.attention);
                let heard = if attention { Heard::UnitAttention(lun) } else { Heard::Ready(lun) };
                answer(connection, heard, ctx);
            }
            Request::Reset(lun) => {
                unit.attention = true;
                self.taken.retain(|_, it| it.from.adapter != adapter);
                answer(connection, Heard::Reset { lun, answer: ResetAnswer::Complete }, ctx);
            }
            Request::Command { epoch, server, command } => {
                let login = unit.logins;
                self.take(Taken { from: connection, login, epoch, server, command }, ctx);
            }
            Request::LogOut => {
                unit.session = None;
                answer(connection, Heard::LoggedOut, ctx);
            }
            Request::Cut => unit.session = None,
        }
    }

    /// The director cannot reach it any more, or can again.
    pub fn set_cut(&mut self, director: u8, cut: bool, ctx: &mut Context) {
        self.cut[usize::from(director)] = cut;
        if !cut {
            return;
        }
        for unit in self.units.values_mut() {
            unit.waiting.retain(|it| it.director != director);
            if let Some(lost) = unit.session.take_if(|it| it.director == director) {
                answer(lost, Heard::Lost, ctx);
            }
        }
    }

    fn take(&mut self, taken: Taken, ctx: &mut Context) {
        self.numbers += 1;
        let rng = &mut ctx.storage;
        let slow = taken.command.write.is_some() && rng.permille(self.slow);
        let takes = if slow { rng.between(40, 900) * MILLI } else { rng.between(60, 600) * MICRO };
        self.taken.insert(self.numbers, taken);
        ctx.queue.push(ctx.now + takes, Event::ArrayExecutes { number: self.numbers });
    }

    /// What was taken is done at last, if no reset has ended it.
    pub fn execute(&mut self, number: u64, ctx: &mut Context) {
        let Some(Taken { from, login, epoch, server, command }) = self.taken.remove(&number) else { return };
        let Connection { adapter, .. } = from;
        let Command { order, block, write } = command;
        let unit = self.units.entry(adapter).or_default();
        let held = &mut unit.blocks[usize::from(block)];
        *held = write.unwrap_or(*held);
        let value = write.is_none().then_some(*held);
        let current = unit.session == Some(from);
        ctx.observe(&Observation::Executed { adapter, epoch, login, server, block, write });
        if current {
            let answer = Answer::Completed { order, value };
            ctx.queue.push(ctx.now + WIRE, Event::FromArray { connection: from, answer });
        }
        self.admit(adapter, ctx);
    }

    /// A login ends the session before it.
    fn admit(&mut self, adapter: AdapterId, ctx: &mut Context) {
        let busy = self.taken.values().any(|it| it.from.adapter == adapter);
        let unit = self.units.entry(adapter).or_default();
        if self.login_waits && busy {
            return;
        }
        for connection in std::mem::take(&mut unit.waiting) {
            if let Some(former) = unit.session.replace(connection) {
                answer(former, Heard::Lost, ctx);
            }
            unit.logins += 1;
            unit.attention = true;
            answer(connection, Heard::LoggedIn, ctx);
        }
    }
}

fn answer(connection: Connection, heard: Heard, ctx: &mut Context) {
    ctx.queue.push(ctx.now + WIRE, Event::FromArray { connection, answer: Answer::Heard(heard) });
}
