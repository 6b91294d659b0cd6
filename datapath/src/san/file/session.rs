use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::absent;
use super::nexus::Nexus;
use super::queue::{Job, Queue, Task};
use super::san::Shared;
use crate::rail::Nanos;
use crate::san::{NotTaken, Refused, Report, Session, SessionEnd, Tag};
use crate::scsi::{Command, Lun, Opcode, Response, Status, TaskAnswer, TaskFunction, TaskManagement};

/// Commands and task management functions that one session may have in flight. More are refused: they wait above it.
const IN_FLIGHT: usize = 256;

/// A vHBA at a SAN of files.
pub(super) struct FileSession {
    shared: Arc<Shared>,
    nexus: Arc<Nexus>,
    in_flight: BTreeSet<Tag>,
    /// The login has been answered.
    open: bool,
}

impl FileSession {
    pub fn new(shared: Arc<Shared>, nexus: Arc<Nexus>) -> Self {
        Self { shared, nexus, in_flight: BTreeSet::new(), open: false }
    }

    fn room(&self) -> Result<(), NotTaken> {
        match self.open && self.nexus.is_alive() {
            false => Err(NotTaken::NotOpen),
            true if self.in_flight.len() >= IN_FLIGHT => Err(NotTaken::Full),
            true => Ok(()),
        }
    }

    fn take_off(&mut self, tag: Tag) {
        assert!(self.in_flight.insert(tag), "{tag:?} is in flight already");
    }

    /// Commands that the target answers without a disk.
    fn answer_here(&self, command: &Command) -> Response {
        if command.cdb.opcode() != Opcode::REPORT_LUNS {
            return absent::absent(command);
        }
        let luns = self.shared.luns(self.nexus.identity().wwpn);
        let response = absent::report_luns(command, luns.keys().filter_map(|&number| Lun::new(number).ok()));
        if response.is_good() {
            for disk in luns.values() {
                disk.queue().push(Job::LunsReported(self.nexus.identity()));
            }
        }
        response
    }

    /// Ends what the function names, as far as it still waits; what is being executed is finished before the answer.
    fn end_tasks(&self, tag: Tag, function: TaskFunction, queue: &Queue) -> Vec<Task> {
        let nexus = Arc::clone(&self.nexus);
        let own = |task: &Task| Arc::ptr_eq(&task.nexus, &self.nexus);
        let complete = Job::Managed { nexus: Arc::clone(&nexus), tag, answer: TaskAnswer::Complete };
        match function {
            TaskFunction::AbortTask { tag: other } => queue.withdraw(
                |task| own(task) && task.tag.0 == other,
                |found| {
                    let answer = if found > 0 { TaskAnswer::Complete } else { TaskAnswer::NoSuchTask };
                    Some(Job::Managed { nexus, tag, answer })
                },
            ),
            TaskFunction::AbortTaskSet => queue.withdraw(own, |_| Some(complete)),
            TaskFunction::ClearTaskSet => queue.withdraw(|_| true, |_| Some(complete)),
            TaskFunction::LunReset => queue.withdraw(|_| true, |_| Some(Job::Reset { nexus, tag })),
            TaskFunction::ClearAca => {
                nexus.managed(tag, TaskAnswer::NotSupported);
                Vec::new()
            }
        }
    }
}

impl Session for FileSession {
    fn submit(&mut self, tag: Tag, command: Command, _now: Nanos) -> Result<(), Refused> {
        if let Err(why) = self.room() {
            return Err(Refused { command, why });
        }
        self.take_off(tag);
        let disk = self.shared.disk(self.nexus.identity().wwpn, command.lun);
        match disk.filter(|_| command.cdb.opcode() != Opcode::REPORT_LUNS) {
            None => self.nexus.complete(tag, self.answer_here(&command)),
            Some(disk) => {
                let task = Task { nexus: Arc::clone(&self.nexus), tag, command };
                if let Err(task) = disk.queue().push_task(task) {
                    self.nexus.complete(task.tag, Response::with_status(Status::TaskSetFull));
                }
            }
        }
        Ok(())
    }

    fn manage(&mut self, tag: Tag, request: TaskManagement, _now: Nanos) -> Result<(), NotTaken> {
        self.room()?;
        self.take_off(tag);
        let Some(disk) = self.shared.disk(self.nexus.identity().wwpn, request.lun) else {
            self.nexus.managed(tag, TaskAnswer::NoSuchLun);
            return Ok(());
        };
        for task in self.end_tasks(tag, request.function, disk.queue()) {
            match Arc::ptr_eq(&task.nexus, &self.nexus) {
                true => {
                    self.in_flight.remove(&task.tag);
                }
                // TAS in the control mode page: others are told.
                false => task.nexus.complete(task.tag, Response::with_status(Status::TaskAborted)),
            }
        }
        Ok(())
    }

    fn poll(&mut self, _now: Nanos, into: &mut Vec<Report>) {
        let first = into.len();
        self.nexus.take(into);
        for report in &into[first..] {
            match report {
                Report::LoggedIn => self.open = true,
                Report::Completed { tag, .. } | Report::Managed { tag, .. } => {
                    self.in_flight.remove(tag);
                }
                Report::LunsChanged | Report::Ended(_) => {}
            }
        }
    }

    fn log_out(&mut self, _now: Nanos) {
        self.nexus.end(SessionEnd::LoggedOut);
        self.shared.forget(&self.nexus);
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.nexus.event().as_fd())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        None
    }
}

/// An I_T nexus loss: what waits is not executed any more (SAM-5, 6.3.4).
impl Drop for FileSession {
    fn drop(&mut self) {
        self.nexus.end(SessionEnd::Closed);
        self.shared.forget(&self.nexus);
    }
}
