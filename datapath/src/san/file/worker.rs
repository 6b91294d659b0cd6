//! The thread of one disk: takes the next command, executes it, answers it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::nexus::Nexus;
use super::queue::{Job, Queue, Task};
use super::unit::LogicalUnit;
use crate::san::{Identity, Tag};
use crate::scsi::{Response, Sense, SenseCode, SenseKey, Status, TaskAnswer};

/// Answers that wait for one sync together. More would wait too long for it.
const SYNC_TOGETHER: usize = 256;

/// A disk and its thread. Dropping it finishes what waits, then stops the thread.
#[derive(Debug)]
pub struct Worker {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// An answer that is given once everything before it is on the medium.
struct Unsynced {
    nexus: Arc<Nexus>,
    tag: Tag,
    response: Response,
}

impl Worker {
    pub fn start(name: &str, unit: LogicalUnit) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let server = Server { unit, queue: Arc::clone(&queue), unsynced: Vec::new() };
        let thread = std::thread::Builder::new().name(format!("disk {name}")).spawn(move || server.run())?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.push(Job::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a disk's thread had panicked");
        }
    }
}

struct Server {
    unit: LogicalUnit,
    queue: Arc<Queue>,
    unsynced: Vec<Unsynced>,
}

impl Server {
    fn run(mut self) {
        loop {
            let job = match self.queue.next() {
                Some(job) => job,
                None => {
                    self.settle();
                    self.queue.wait_for_next()
                }
            };
            match job {
                Job::Task(task) => self.execute(task),
                Job::Stop => return self.settle(),
                control => {
                    self.settle();
                    self.control(control);
                }
            }
        }
    }

    fn execute(&mut self, task: Task) {
        let Task { nexus, tag, command } = task;
        if !nexus.is_alive() {
            return;
        }
        let outcome = self.unit.execute(nexus.identity(), &command);
        for identity in outcome.aborted {
            self.abort(identity);
        }
        match outcome.durable {
            false => nexus.complete(tag, outcome.response),
            true => self.unsynced.push(Unsynced { nexus, tag, response: outcome.response }),
        }
        if self.unsynced.len() >= SYNC_TOGETHER {
            self.settle();
        }
    }

    /// PREEMPT AND ABORT: ends what waits of this initiator (SPC-4, 5.13.11.2.6). With TAS, it is told.
    fn abort(&self, identity: Identity) {
        for task in self.queue.withdraw(|it| it.nexus.identity() == identity, |_| None) {
            task.nexus.complete(task.tag, Response::with_status(Status::TaskAborted));
        }
    }

    /// Makes durable what was executed, and gives the answers that waited for it.
    fn settle(&mut self) {
        if self.unsynced.is_empty() {
            return;
        }
        let result = self.unit.sync();
        if let Err(error) = &result {
            tracing::error!(%error, "a disk could not be made durable; it takes no commands any more");
        }
        for Unsynced { nexus, tag, response } in self.unsynced.drain(..) {
            let failure = Sense::new(SenseKey::MediumError, SenseCode::WRITE_ERROR);
            nexus.complete(tag, if result.is_ok() { response } else { Response::check_condition(failure) });
        }
    }

    /// Nothing is being executed, and nothing waits for a sync.
    fn control(&mut self, job: Job) {
        match job {
            Job::Managed { nexus, tag, answer } => nexus.managed(tag, answer),
            Job::Reset { nexus, tag } => {
                self.unit.reset();
                nexus.managed(tag, TaskAnswer::Complete);
            }
            Job::Arrival(arrival) => {
                self.unit.arrive(arrival.nexus.identity());
                arrival.passed();
            }
            Job::Departure(identity) => self.unit.depart(identity),
            Job::LunsChanged(identity) => self.unit.announce_other_luns(identity),
            Job::LunsReported(identity) => self.unit.luns_were_reported(identity),
            Job::Task(_) | Job::Stop => unreachable!("the loop does these itself"),
        }
    }
}
