//! An array that remembers what it was given and what it executed, by which login.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use twinrail_datapath::Nanos;
use twinrail_datapath::san::{NotTaken, Refused, Report, Session, SessionEnd, Tag};
use twinrail_datapath::scsi::{
    Command, Lun, Opcode, Residual, Response, Sense, SenseCode, SenseKey, TaskAnswer, TaskFunction, TaskManagement,
};

/// What one login was given and did. A command is known by its LBA.
#[derive(Default)]
pub struct Login {
    pub given: Vec<(Lun, u64)>,
    pub executed: BTreeSet<u64>,
    flying: BTreeMap<Tag, (Command, Nanos)>,
    /// Commands about no block.
    asked: BTreeMap<Tag, (Command, Response, Nanos)>,
    reports: Vec<(Nanos, Report)>,
    fenced: bool,
}

pub struct State {
    pub logins: BTreeMap<u64, Login>,
    /// Commands that a login takes at once.
    pub depth: usize,
    /// Longest time that a command takes.
    pub longest: Nanos,
    /// What REPORT LUNS says.
    pub shown: BTreeSet<Lun>,
    random: SmallRng,
}

#[derive(Clone)]
pub struct Array(Arc<Mutex<State>>);

pub struct ArraySession {
    array: Array,
    number: u64,
}

impl Array {
    pub fn new(seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(State {
            logins: BTreeMap::new(),
            depth: 8,
            longest: 4_000_000,
            shown: BTreeSet::new(),
            random,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics in here")
    }

    /// The login of this number, after the fence: what older ones had in flight is finished or dead.
    pub fn log_in(&self, number: u64) -> Box<dyn Session> {
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
        assert!(logins.insert(number, Login::default()).is_none(), "logins are numbered");
        Box::new(ArraySession { array: self.clone(), number })
    }

    /// Shows others, and says so in the first login.
    pub fn change_luns(&self, shown: BTreeSet<Lun>) {
        let mut state = self.lock();
        state.shown = shown;
        state.logins.get_mut(&1).expect("a login").reports.push((0, Report::LunsChanged));
    }

    /// The array ends the login.
    pub fn end(&self, number: u64) {
        let mut state = self.lock();
        let login = state.logins.get_mut(&number).expect("a login");
        login.reports.push((0, Report::Ended(SessionEnd::Closed)));
        login.flying.clear();
    }
}

/// The identity of a command, and of the login that executed it, in its sense data.
pub fn stamp(command: &Command, login: u64) -> Response {
    let mut sense = Sense::new(SenseKey::NoSense, SenseCode::NONE).with_information(id(command));
    sense.command_specific = Some(login);
    let data_in = vec![id(command) as u8; command.data_in_length as usize].into();
    Response { sense: Some(sense), data_in, residual: Residual::Exact, ..Response::good() }
}

pub fn id(command: &Command) -> u64 {
    command.cdb.lba().expect("every command here is about a block")
}

/// REPORT LUNS (SPC-4, 6.33); nothing else has data here.
fn about_no_block(command: &Command, shown: &BTreeSet<Lun>) -> Vec<u8> {
    if command.cdb.opcode() != Opcode::REPORT_LUNS {
        return Vec::new();
    }
    let head = (8 * shown.len() as u64) << 32;
    head.to_be_bytes().into_iter().chain(shown.iter().flat_map(|it| it.octets())).collect()
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
        let State { logins, depth, longest, shown, random } = &mut *state;
        let login = logins.get_mut(&self.number).expect("a login");
        if command.cdb.lba().is_none() {
            let due = now + random.random_range(*longest / 2..=*longest);
            let response = Response::data(about_no_block(&command, shown).into(), &command);
            login.asked.insert(tag, (command, response, due));
            return Ok(());
        }
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
        let login = logins.get_mut(&self.number).expect("a login");
        let due = now + random.random_range(0..=*longest);
        let named = |tag: &Tag, command: &Command| match request.function {
            TaskFunction::AbortTask { tag: other } => tag.0 == other,
            _ => command.lun == request.lun,
        };
        let before = login.flying.len();
        login.flying.retain(|tag, (command, _)| !named(tag, command));
        login.asked.retain(|tag, (command, ..)| !named(tag, command));
        let abort = matches!(request.function, TaskFunction::AbortTask { .. });
        let missing = abort && before == login.flying.len();
        let answer = if missing { TaskAnswer::NoSuchTask } else { TaskAnswer::Complete };
        login.reports.push((due, Report::Managed { tag, answer }));
        Ok(())
    }

    fn poll(&mut self, now: Nanos, into: &mut Vec<Report>) {
        let mut state = self.array.lock();
        let login = state.logins.get_mut(&self.number).expect("a login");
        let due: Vec<Tag> = login.flying.iter().filter(|(_, it)| it.1 <= now).map(|it| *it.0).collect();
        for tag in due {
            let (command, _) = login.flying.remove(&tag).expect("in flight");
            login.execute(&command);
            into.push(Report::Completed { tag, response: stamp(&command, self.number) });
        }
        for (tag, (_, response, _)) in login.asked.extract_if(.., |_, it| it.2 <= now) {
            into.push(Report::Completed { tag, response });
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
        let login = &state.logins[&self.number];
        let asked = login.asked.values().map(|it| it.2);
        login.flying.values().map(|it| it.1).chain(asked).chain(login.reports.iter().map(|it| it.0)).min()
    }
}
