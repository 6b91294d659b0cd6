//! An array that remembers what it was given and what it executed, by which login.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use twinrail_datapath::Nanos;
use twinrail_datapath::san::{NotTaken, Refused, Report, Session, SessionEnd, Tag};
use twinrail_datapath::scsi::{
    Command, Lun, Residual, Response, Sense, SenseCode, SenseKey, TaskAnswer, TaskFunction, TaskManagement,
};

/// What one login was given and did. A command is known by its LBA.
#[derive(Default)]
pub struct Login {
    pub given: Vec<(Lun, u64)>,
    pub executed: BTreeSet<u64>,
    flying: BTreeMap<Tag, (Command, Nanos)>,
    reports: Vec<(Nanos, Report)>,
    fenced: bool,
}

pub struct State {
    pub logins: BTreeMap<u64, Login>,
    /// Commands that a login takes at once.
    pub depth: usize,
    /// Longest time that a command takes.
    pub longest: Nanos,
    random: SmallRng,
}

#[derive(Clone)]
pub struct Array(Arc<Mutex<State>>);

pub struct ArraySession {
    array: Array,
    epoch: u64,
}

impl Array {
    pub fn new(seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(State { logins: BTreeMap::new(), depth: 8, longest: 4_000_000, random })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics in here")
    }

    /// A login of the home of this epoch, after the fence: what older ones had in flight is finished or dead.
    pub fn log_in(&self, epoch: u64) -> Box<dyn Session> {
        let mut state = self.lock();
        let State { logins, random, .. } = &mut *state;
        for former in logins.values_mut() {
            former.fenced = true;
            for (_, (command, _)) in std::mem::take(&mut former.flying) {
                if random.random() {
                    former.execute(&command);
                }
            }
        }
        assert!(logins.insert(epoch, Login::default()).is_none(), "one login an epoch");
        Box::new(ArraySession { array: self.clone(), epoch })
    }

    /// The array ends the login.
    pub fn end(&self, epoch: u64) {
        let mut state = self.lock();
        let login = state.logins.get_mut(&epoch).expect("a login");
        login.reports.push((0, Report::Ended(SessionEnd::Closed)));
        login.flying.clear();
    }
}

/// The identity of a command, and of the login that executed it, in its sense data.
pub fn stamp(command: &Command, epoch: u64) -> Response {
    let mut sense = Sense::new(SenseKey::NoSense, SenseCode::NONE).with_information(id(command));
    sense.command_specific = Some(epoch);
    let data_in = vec![id(command) as u8; command.data_in_length as usize].into();
    Response { sense: Some(sense), data_in, residual: Residual::Exact, ..Response::good() }
}

pub fn id(command: &Command) -> u64 {
    command.cdb.lba().expect("every command here is about a block")
}

impl Login {
    fn execute(&mut self, command: &Command) {
        if !command.data_out.is_empty() {
            assert!(command.data_out.iter().all(|&it| it == id(command) as u8), "another command's data");
        }
        assert!(self.executed.insert(id(command)), "{} was executed twice by one home", id(command));
    }
}

impl Session for ArraySession {
    fn submit(&mut self, tag: Tag, command: Command, now: Nanos) -> Result<(), Refused> {
        let mut state = self.array.lock();
        let State { logins, depth, longest, random } = &mut *state;
        let login = logins.get_mut(&self.epoch).expect("a login");
        if login.flying.len() >= *depth || random.random_bool(0.02) {
            return Err(Refused { command, why: NotTaken::Full });
        }
        login.given.push((command.lun, id(&command)));
        let due = now + random.random_range(0..=*longest);
        if login.fenced {
            return Ok(());
        }
        assert!(login.flying.insert(tag, (command, due)).is_none(), "a tag of a command in flight");
        Ok(())
    }

    fn manage(&mut self, tag: Tag, request: TaskManagement, now: Nanos) -> Result<(), NotTaken> {
        let mut state = self.array.lock();
        let State { logins, longest, random, .. } = &mut *state;
        let login = logins.get_mut(&self.epoch).expect("a login");
        let due = now + random.random_range(0..=*longest);
        let named = |tag: &Tag, command: &Command| match request.function {
            TaskFunction::AbortTask { tag: other } => tag.0 == other,
            _ => command.lun == request.lun,
        };
        let before = login.flying.len();
        login.flying.retain(|tag, (command, _)| !named(tag, command));
        let abort = matches!(request.function, TaskFunction::AbortTask { .. });
        let missing = abort && before == login.flying.len();
        let answer = if missing { TaskAnswer::NoSuchTask } else { TaskAnswer::Complete };
        login.reports.push((due, Report::Managed { tag, answer }));
        Ok(())
    }

    fn poll(&mut self, now: Nanos, into: &mut Vec<Report>) {
        let mut state = self.array.lock();
        let login = state.logins.get_mut(&self.epoch).expect("a login");
        let due: Vec<Tag> = login.flying.iter().filter(|(_, it)| it.1 <= now).map(|it| *it.0).collect();
        for tag in due {
            let (command, _) = login.flying.remove(&tag).expect("in flight");
            login.execute(&command);
            into.push(Report::Completed { tag, response: stamp(&command, self.epoch) });
        }
        let (ready, later) = std::mem::take(&mut login.reports).into_iter().partition(|it| it.0 <= now);
        login.reports = later;
        let ready: Vec<_> = ready;
        into.extend(ready.into_iter().map(|it| it.1));
    }

    fn log_out(&mut self, _now: Nanos) {}

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let state = self.array.lock();
        let login = &state.logins[&self.epoch];
        login.flying.values().map(|it| it.1).chain(login.reports.iter().map(|it| it.0)).min()
    }
}
