use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::job::{Job, Piece, Purpose};
use super::{UnitFacts, Verdict, judge};
use crate::nbd::{Errno, Request};
use crate::rail::Nanos;
use crate::scsi::{Command, Residual, Response};

/// How much a unit is given, and for how long one tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Commands under way at once; at least 1.
    pub depth: usize,
    /// A command that is answered by "again" so often in a row fails. A unit attention for each change of the unit and
    /// each takeover is normal; more than a few are a fault.
    pub attempts: u32,
    /// When the unit has executed nothing for so long, and says that it cannot, commands fail.
    pub hold: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { depth: 64, attempts: 8, hold: Duration::from_secs(60) }
    }
}

/// The first pause when a unit cannot take a command, and the longest; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Names a command on its way to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandTag(pub u64);

/// Makes NBD requests into commands for one unit. `T` is what a request is known by to its owner: a ticket, say.
///
/// While the unit says that it cannot, nothing at all is sent to it until the pause is over.
#[derive(Debug)]
pub struct Translator<T> {
    facts: UnitFacts,
    patience: Patience,
    jobs: BTreeMap<u64, Job<T>>,
    /// Jobs of which something is still to be cut off, the oldest first.
    uncut: VecDeque<u64>,
    /// Commands to be sent before anything is cut off.
    ready: VecDeque<Piece>,
    sent: BTreeMap<CommandTag, Piece>,
    finished: VecDeque<(T, Result<Bytes, Errno>)>,
    next_number: u64,
    pause: Duration,
    paused_until: Option<Nanos>,
    /// The unit has executed nothing since, and said that it cannot.
    unable_since: Option<Nanos>,
    /// The unit has reported that it lost an acknowledged write, and no flush has said so yet.
    lost_write: bool,
}

impl<T> Translator<T> {
    pub fn new(facts: UnitFacts, patience: Patience) -> Self {
        assert!(patience.depth > 0, "a unit that is given nothing does nothing");
        Self {
            facts,
            patience,
            jobs: BTreeMap::new(),
            uncut: VecDeque::new(),
            ready: VecDeque::new(),
            sent: BTreeMap::new(),
            finished: VecDeque::new(),
            next_number: 0,
            pause: PAUSE,
            paused_until: None,
            unable_since: None,
            lost_write: false,
        }
    }

    /// What is known of the unit: it may have refused what it had promised.
    pub fn facts(&self) -> &UnitFacts {
        &self.facts
    }

    /// The unit has said of itself something else since. Its blocks must be as many and as long as before: only what it
    /// can do, and how much of it at once, may differ.
    pub fn set_facts(&mut self, facts: UnitFacts) {
        assert_eq!((facts.blocks, facts.block_length), (self.facts.blocks, self.facts.block_length), "another disk");
        self.facts = facts;
    }

    /// Another request would be begun at once.
    pub fn wants_request(&self, now: Nanos) -> bool {
        let idle = self.ready.is_empty() && self.uncut.is_empty();
        idle && self.sent.len() < self.patience.depth && self.paused_until.is_none_or(|it| now >= it)
    }

    /// Nothing that was submitted is still to be done.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    pub fn submit(&mut self, request: Request, token: T) {
        if !is_aligned(&request, self.facts.block_length.into()) {
            self.finished.push_back((token, Err(Errno::Invalid)));
            return;
        }
        let id = self.number();
        let mut job = Job::new(token, request, &self.facts);
        if job.is_too_slow(&self.facts) {
            job.error = Some(Errno::NotSupported);
        }
        self.jobs.insert(id, job);
        self.uncut.push_back(id);
        self.settle(id);
    }

    /// The next command for the unit, if it may have one now. It may finish requests as well.
    pub fn next_command(&mut self, now: Nanos) -> Option<(CommandTag, Command)> {
        if self.sent.len() >= self.patience.depth || self.paused_until.is_some_and(|it| now < it) {
            return None;
        }
        self.paused_until = None;
        let waiting = self.ready.pop_front().or_else(|| self.cut());
        // What was cut up just now may have left a SYNCHRONIZE CACHE.
        let piece = waiting.or_else(|| self.ready.pop_front())?;
        let (tag, command) = (CommandTag(self.number()), piece.command.clone());
        self.sent.insert(tag, piece);
        Some((tag, command))
    }

    /// When [`Self::next_command`] may have one, though nothing happens in between.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.paused_until
    }

    pub fn next_finished(&mut self) -> Option<(T, Result<Bytes, Errno>)> {
        self.finished.pop_front()
    }

    /// The path did not take the command: it is the next one again.
    pub fn refused(&mut self, tag: CommandTag) {
        if let Some(piece) = self.sent.remove(&tag) {
            self.ready.push_front(piece);
        }
    }

    /// Nobody will ever know what became of the command: its request fails.
    pub fn lost(&mut self, tag: CommandTag) {
        if let Some(piece) = self.sent.remove(&tag) {
            self.end(&piece, Some(Errno::Io));
        }
    }

    pub fn completed(&mut self, tag: CommandTag, response: &Response, now: Nanos) {
        let Some(piece) = self.sent.remove(&tag) else { return };
        match judge(response, piece.purpose.writes()) {
            Verdict::Done => self.done(&piece, response),
            Verdict::Again => self.again(piece),
            Verdict::AgainAfterLoss => {
                self.lost_write = true;
                self.again(piece);
            }
            Verdict::Hold => self.hold(piece, now),
            Verdict::Unsupported => self.fall_back(&piece),
            Verdict::Fail(errno) => self.end(&piece, Some(errno)),
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn cut(&mut self) -> Option<Piece> {
        while let Some(&id) = self.uncut.front() {
            match self.jobs.get_mut(&id).and_then(|job| job.cut(id, &self.facts)) {
                Some(piece) => return Some(piece),
                None => {
                    self.uncut.pop_front();
                    self.settle(id);
                }
            }
        }
        None
    }

    /// GOOD, but with less data than was asked for or given, is no success.
    fn done(&mut self, piece: &Piece, response: &Response) {
        self.pause = PAUSE;
        self.unable_since = None;
        let asked = piece.command.data_in_length;
        let Some(job) = self.jobs.get_mut(&piece.job) else { return };
        let good = match piece.purpose {
            Purpose::Read { at } => job.gather(at, asked, response, &self.facts),
            Purpose::Synchronize => !std::mem::take(&mut self.lost_write),
            Purpose::Write | Purpose::Unmap | Purpose::Same { .. } => {
                !matches!(response.residual, Residual::Underflow(_))
            }
        };
        self.end(piece, (!good).then_some(Errno::Io));
    }

    fn again(&mut self, piece: Piece) {
        let attempts = piece.attempts + 1;
        if attempts >= self.patience.attempts {
            return self.end(&piece, Some(Errno::Io));
        }
        self.ready.push_back(Piece { attempts, ..piece });
    }

    fn hold(&mut self, piece: Piece, now: Nanos) {
        let since = *self.unable_since.get_or_insert(now);
        if now.saturating_sub(since) >= nanos(self.patience.hold) {
            return self.end(&piece, Some(Errno::Io));
        }
        self.ready.push_back(piece);
        if self.paused_until.is_none() {
            self.paused_until = Some(now + nanos(self.pause));
            self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        }
    }

    /// The unit does not know what was sent: the next best thing, from now on.
    fn fall_back(&mut self, piece: &Piece) {
        let error = match piece.purpose {
            Purpose::Same { lba, unmapping } => {
                match &mut self.facts.write_same {
                    Some(same) if unmapping => same.unmaps = false,
                    same => *same = None,
                }
                self.zero_again(piece.job, lba)
            }
            Purpose::Unmap => {
                self.facts.unmap = None;
                None
            }
            Purpose::Synchronize if !self.facts.write_cache => None,
            Purpose::Synchronize | Purpose::Read { .. } | Purpose::Write => Some(Errno::Io),
        };
        self.end(piece, error);
    }

    /// The rest of a job from this block on; an error where that would be too slow.
    fn zero_again(&mut self, id: u64, lba: u64) -> Option<Errno> {
        let job = self.jobs.get_mut(&id)?;
        job.cut_again_from(lba);
        self.uncut.push_front(id);
        job.is_too_slow(&self.facts).then_some(Errno::NotSupported)
    }

    /// A command is over. The first error of a request is what its client hears.
    fn end(&mut self, piece: &Piece, error: Option<Errno>) {
        let Some(job) = self.jobs.get_mut(&piece.job) else { return };
        job.pieces -= 1;
        job.error = job.error.or(error);
        self.settle(piece.job);
    }

    /// Ends the request if nothing of it is left, or sends the SYNCHRONIZE CACHE that comes last.
    fn settle(&mut self, id: u64) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.pieces > 0 || !job.is_cut_up(&self.facts) {
            return;
        }
        if job.sync && job.error.is_none() {
            job.sync = false;
            job.pieces = 1;
            self.ready.push_back(Piece::synchronize(id, &self.facts));
            return;
        }
        self.finished.extend(self.jobs.remove(&id).map(Job::finish));
    }
}

fn is_aligned(request: &Request, block: u64) -> bool {
    let whole = |offset: u64, length: u64| offset.is_multiple_of(block) && length.is_multiple_of(block);
    match request {
        Request::Read { offset, length }
        | Request::Trim { offset, length, .. }
        | Request::WriteZeroes { offset, length, .. }
        | Request::Cache { offset, length } => whole(*offset, u64::from(*length)),
        Request::Write { offset, data, .. } => whole(*offset, data.len() as u64),
        Request::Flush => true,
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
