use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use twinrail_datapath_sys::EventFd;

use super::SanFaults;
use super::branch::Branch;
use crate::rail::Nanos;
use crate::san::{Identity, NotTaken, Refused, Report, Session, SessionEnd, Tag};
use crate::scsi::{Command, Opcode, TaskAnswer, TaskFunction, TaskManagement, Transfer};

/// All logins, also those that are over and still hold something.
pub struct State {
    pub faults: SanFaults,
    random: SmallRng,
    branches: BTreeMap<u64, Branch>,
    logins: u64,
}

impl State {
    pub fn new(seed: u64, faults: SanFaults) -> Self {
        Self { faults, random: SmallRng::seed_from_u64(seed), branches: BTreeMap::new(), logins: 0 }
    }

    pub fn next_number(&mut self) -> u64 {
        self.logins += 1;
        self.logins
    }

    /// The same identity again ends the session that it had.
    pub fn admit(&mut self, number: u64, identity: Identity, inner: Box<dyn Session>, event: Arc<EventFd>, now: Nanos) {
        for former in self.branches.values_mut().filter(|it| it.identity == identity) {
            former.end(SessionEnd::Replaced);
        }
        self.branches.insert(number, Branch::new(identity, inner, event, now + self.faults.login_after));
    }

    pub fn submit(&mut self, number: u64, tag: Tag, command: Command, now: Nanos) -> Result<(), Refused> {
        let faults = self.faults;
        let slow = is_write(&command) && self.hits(faults.slow_write);
        let ends = self.hits(faults.end_session);
        let Some(branch) = self.branches.get_mut(&number) else {
            return Err(Refused { command, why: NotTaken::NotOpen });
        };
        if let Err(why) = branch.check_open() {
            return Err(Refused { command, why });
        }
        match slow {
            true => branch.hold(now + faults.slow_write_for, tag, command),
            false => branch.inner().submit(tag, command, now)?,
        }
        if ends {
            branch.end(SessionEnd::Closed);
        }
        Ok(())
    }

    pub fn manage(&mut self, number: u64, tag: Tag, request: TaskManagement, now: Nanos) -> Result<(), NotTaken> {
        let own = self.branches.get_mut(&number).ok_or(NotTaken::NotOpen)?;
        own.check_open()?;
        let TaskManagement { lun, function } = request;
        match function {
            TaskFunction::AbortTask { tag: other } => {
                if own.drop_held(lun, Some(Tag(other)), false) {
                    own.post(Report::Managed { tag, answer: TaskAnswer::Complete });
                    return Ok(());
                }
            }
            TaskFunction::AbortTaskSet => {
                own.drop_held(lun, None, false);
            }
            TaskFunction::ClearTaskSet | TaskFunction::LunReset => {
                for (&it, branch) in &mut self.branches {
                    branch.drop_held(lun, None, it != number);
                }
            }
            TaskFunction::ClearAca => {}
        }
        let own = self.branches.get_mut(&number).ok_or(NotTaken::NotOpen)?;
        own.inner().manage(tag, request, now)
    }

    /// One session's poll. It drives those that are over as well, since nobody else does.
    pub fn poll(&mut self, number: u64, now: Nanos, into: &mut Vec<Report>) {
        self.drive_ghosts(now);
        let Self { branches, faults, random, .. } = self;
        let identity = branches.get(&number).map(|it| it.identity);
        let former = branches.values().filter(|it| it.is_over() && Some(it.identity) == identity);
        let busy_until = former.filter_map(|it| it.busy_until(now)).max();
        let login_not_before = busy_until.filter(|_| faults.login_waits_for_writes).unwrap_or(0);
        let Some(branch) = branches.get_mut(&number) else { return };
        if !branch.is_over() {
            branch.drive(now, faults, random);
            branch.answer_login(now, login_not_before);
        }
        branch.take(into);
    }

    pub fn drive_ghosts(&mut self, now: Nanos) {
        let Self { branches, faults, random, .. } = self;
        for branch in branches.values_mut().filter(|it| it.is_over()) {
            branch.drive(now, faults, random);
        }
        branches.retain(|_, branch| !branch.is_spent());
    }

    pub fn log_out(&mut self, number: u64) {
        if let Some(branch) = self.branches.get_mut(&number) {
            branch.end(SessionEnd::LoggedOut);
        }
    }

    /// The session was dropped.
    pub fn cut(&mut self, number: u64) {
        if let Some(branch) = self.branches.get_mut(&number) {
            branch.abandon();
        }
        self.branches.retain(|_, branch| !branch.is_spent());
    }

    /// Of this session and of those that are over: the others have threads of their own.
    pub fn next_deadline(&self, number: Option<u64>) -> Option<Nanos> {
        let driven = self.branches.iter().filter(|(it, branch)| branch.is_over() || Some(**it) == number);
        driven.filter_map(|(_, branch)| branch.next_deadline()).min()
    }

    pub fn held(&self) -> usize {
        self.branches.values().map(Branch::held).sum()
    }

    fn hits(&mut self, chance: f64) -> bool {
        self.random.random_bool(chance.clamp(0.0, 1.0))
    }
}

/// Changes blocks.
fn is_write(command: &Command) -> bool {
    let cdb = &command.cdb;
    let moves_out = cdb.lba().is_some() && matches!(cdb.transfer(1), Some(Transfer::Out(_)));
    moves_out || matches!(cdb.opcode(), Opcode::UNMAP | Opcode::WRITE_SAME_16)
}
