use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::nexus::Nexus;
use crate::san::{Identity, Tag};
use crate::scsi::{Command, TaskAnswer, TaskAttribute};

/// Commands that may wait for one disk, of all sessions together. One more ends in TASK SET FULL.
const TASK_SET: usize = 1024;

/// The task set of a logical unit (SAM-5, clause 8): what waits for its thread. Beside so many commands that is a few jobs
/// for each initiator: a later one takes the place of an earlier one of its kind.
#[derive(Debug, Default)]
pub struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    more: Condvar,
}

/// What a disk's thread does, in the order of the queue.
#[derive(Debug)]
pub enum Job {
    Task(Task),
    /// Answers a task management function, once everything before it is finished.
    Managed {
        nexus: Arc<Nexus>,
        tag: Tag,
        answer: TaskAnswer,
    },
    /// LOGICAL UNIT RESET; what waited is gone already.
    Reset {
        nexus: Arc<Nexus>,
        tag: Tag,
    },
    /// A login: answered by the last disk that comes to it.
    Arrival(Arc<Arrival>),
    /// This initiator is gone.
    Departure(Identity),
    /// This initiator is shown other LUNs than before.
    LunsChanged(Identity),
    /// This initiator has asked which LUNs there are.
    LunsReported(Identity),
    Stop,
}

/// A command on its way.
#[derive(Debug)]
pub struct Task {
    pub nexus: Arc<Nexus>,
    pub tag: Tag,
    pub command: Command,
}

/// A login that waits until every disk has finished with the former one.
#[derive(Debug)]
pub struct Arrival {
    pub nexus: Arc<Nexus>,
    missing: AtomicUsize,
}

impl Job {
    /// The earlier one need not be done any more.
    fn supersedes(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::LunsChanged(new), Self::LunsChanged(old))
            | (Self::LunsReported(new), Self::LunsReported(old))
            | (Self::Departure(new), Self::Departure(old)) => new == old,
            (Self::Arrival(new), Self::Arrival(old)) => new.nexus.identity() == old.nexus.identity(),
            (Self::Arrival(_) | Self::Departure(_), Self::Task(task)) => !task.nexus.is_alive(),
            _ => false,
        }
    }
}

impl Arrival {
    /// To be passed by so many disks.
    pub fn new(nexus: Arc<Nexus>, disks: usize) -> Self {
        Self { nexus, missing: AtomicUsize::new(disks) }
    }

    /// One disk has finished with the former login. The last one answers the new one.
    pub fn passed(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.nexus.logged_in();
        }
    }
}

impl Queue {
    pub fn push(&self, job: Job) {
        let mut jobs = self.jobs();
        jobs.retain(|earlier| !job.supersedes(earlier));
        jobs.push_back(job);
        self.more.notify_one();
    }

    /// Takes a command in, or gives it back when the task set is full.
    pub fn push_task(&self, task: Task) -> Result<(), Task> {
        let mut jobs = self.jobs();
        if jobs.len() >= TASK_SET {
            return Err(task);
        }
        match task.command.attribute {
            TaskAttribute::HeadOfQueue => {
                // Never ahead of a login or a reset, which is to be first with all that came before it.
                let control = jobs.iter().rposition(|it| !matches!(it, Job::Task(_)));
                jobs.insert(control.map_or(0, |it| it + 1), Job::Task(task));
            }
            _ => jobs.push_back(Job::Task(task)),
        }
        self.more.notify_one();
        Ok(())
    }

    /// Takes out the commands that `which` names, and puts `then` in after the rest, in one step.
    pub fn withdraw(&self, which: impl Fn(&Task) -> bool, then: impl FnOnce(usize) -> Option<Job>) -> Vec<Task> {
        let mut jobs = self.jobs();
        let mut withdrawn = Vec::new();
        for job in std::mem::take(&mut *jobs) {
            match job {
                Job::Task(task) if which(&task) => withdrawn.push(task),
                job => jobs.push_back(job),
            }
        }
        jobs.extend(then(withdrawn.len()));
        self.more.notify_one();
        withdrawn
    }

    /// The next one, when there is one.
    pub fn next(&self) -> Option<Job> {
        self.jobs().pop_front()
    }

    pub fn wait_for_next(&self) -> Job {
        let mut jobs = self.jobs();
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
