//! The disks of one vHBA without sockets and threads: which request becomes which command, and what is done with its answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use twinrail_proto::rail::command::{CommandNumber, Notice};

use super::discovery::{Discovery, Question, Units};
use super::disk::Disk;
use super::limits;
use super::status::{Counts, DiskState, Path};
use super::unit::Unit;
use crate::commands::Initiator;
use crate::commands::initiator::{Attachment, Effect, NotTaken, nobody_took_it, timed_out};
use crate::nbd::scsi::{CommandTag, Patience};
use crate::nbd::{Errno, Request};
use crate::rail::Nanos;
use crate::scsi::{Command, Response, SenseCode};

/// Whose a command is, and since when it is under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    owner: Owner,
    since: Nanos,
    reads: u64,
    writes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Disk { lun: u16, generation: u64, tag: CommandTag },
    Discovery { serial: u64, question: Question },
}

/// What a discovery has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Now,
    At(Nanos),
}

pub(super) struct Engine<T> {
    disks: BTreeMap<u16, Disk<T>>,
    /// LUNs that the SAN shows and that are not served.
    problems: BTreeMap<u16, String>,
    mask: BTreeSet<u16>,
    patience: Patience,
    io_timeout: Nanos,
    discovery: Option<Discovery>,
    serial: u64,
    due: Due,
    problem: String,
    attachment: Option<Attachment>,
    /// No home is attached since.
    out_since: Option<Nanos>,
    sent: BTreeMap<CommandNumber, Sent>,
    generations: u64,
    /// The LUN that has its turn first.
    first: u16,
    closed_since: Option<Nanos>,
    refusal: String,
    counts: Counts,
    /// What there is to tell has changed.
    changed: bool,
}

impl<T> Engine<T> {
    /// `remembered`: units that were served before; they are served at once, and nothing is sent to them before they were
    /// seen to be the same ones.
    pub fn new(io_timeout: Nanos, mask: BTreeSet<u16>, remembered: BTreeMap<u16, Unit>, now: Nanos) -> Self {
        let hold = std::time::Duration::from_nanos(io_timeout);
        let mut engine = Self {
            disks: BTreeMap::new(),
            problems: BTreeMap::new(),
            mask,
            patience: Patience { hold, ..Patience::default() },
            io_timeout,
            discovery: None,
            serial: 0,
            due: Due::Nothing,
            problem: String::new(),
            attachment: None,
            out_since: Some(now),
            sent: BTreeMap::new(),
            generations: 0,
            first: 0,
            closed_since: None,
            refusal: String::new(),
            counts: Counts::default(),
            changed: true,
        };
        for (lun, unit) in remembered {
            if engine.mask.is_empty() || engine.mask.contains(&lun) {
                engine.insert(lun, unit, false);
            }
        }
        engine
    }

    /// A client's request for this generation of a disk. Gives the token back when that is gone.
    pub fn submit(&mut self, lun: u16, generation: u64, request: Request, token: T, now: Nanos) -> Option<T> {
        match self.disks.get_mut(&lun).filter(|it| it.generation == generation) {
            Some(disk) => {
                disk.submit(request, token, now);
                None
            }
            None => Some(token),
        }
    }

    /// The SAN is asked anew which LUNs it shows.
    pub fn rescan(&mut self) {
        self.due = Due::Now;
    }

    pub fn set_mask(&mut self, mask: BTreeSet<u16>) {
        if self.mask != mask {
            self.mask = mask;
            self.rescan();
        }
    }

    /// From now on no request begins; what was begun ends.
    pub fn close(&mut self, now: Nanos) {
        self.closed_since = self.closed_since.or(Some(now));
        self.discovery = None;
    }

    /// Nothing is under way, as far as can be waited for.
    pub fn has_ended(&self, now: Nanos) -> bool {
        let over = self.farewell().is_some_and(|it| now >= it);
        self.closed_since.is_some() && (over || self.sent.is_empty() && self.disks.values().all(Disk::is_idle))
    }

    /// Until when a closed vHBA waits for a home.
    fn farewell(&self) -> Option<Nanos> {
        Some(self.out_since?.max(self.closed_since?).saturating_add(limits::FAREWELL))
    }

    /// The initiator is attached otherwise than when it was last looked at.
    pub fn is_behind(&self, initiator: &Initiator) -> bool {
        initiator.attachment() != self.attachment
    }

    /// Gives the initiator what it may have now. Returns whether it took anything.
    pub fn feed(&mut self, initiator: &mut Initiator, now: Nanos) -> bool {
        self.look_at(initiator.attachment(), now);
        self.begin_discovery(now);
        let asked = self.ask(initiator, now);
        let mut fed = asked;
        let later: Vec<u16> = self.disks.range(self.first..).map(|it| *it.0).collect();
        let earlier: Vec<u16> = self.disks.range(..self.first).map(|it| *it.0).collect();
        for lun in later.into_iter().chain(earlier) {
            if !self.feed_disk(lun, initiator, &mut fed, now) {
                self.first = lun;
                break;
            }
        }
        fed
    }

    /// Something that the owner of the commands has to know.
    pub fn effect(&mut self, effect: Effect, now: Nanos) {
        match effect {
            Effect::Completed { number, response } => self.completed(number, &response, now),
            Effect::Notice(Notice::LunsChanged) => self.rescan(),
            Effect::Notice(Notice::ArraySlow(ms)) => tracing::warn!(ms, "the SAN takes its time"),
            Effect::Notice(Notice::HomeLeaving) | Effect::Managed { .. } => {}
            Effect::Refused(refused) => {
                let refusal = refused.cause.name();
                self.changed |= self.refusal != refusal;
                self.refusal = refusal.into();
            }
            Effect::Connect { .. } | Effect::Send { .. } | Effect::Close { .. } => {
                unreachable!("connections are not this one's affair")
            }
        }
    }

    /// Ends requests that have waited for too long. Their tokens with errors, and those that the units have answered.
    pub fn next_finished(&mut self, now: Nanos) -> Option<(T, Result<Bytes, Errno>)> {
        let (out_since, patience) = (self.out_since, self.io_timeout);
        let finished = self.disks.values_mut().find_map(|it| {
            let expired =
                |disk: &mut Disk<T>| disk.expired(out_since, patience, now).map(|token| (token, Err(Errno::Io)));
            it.next_finished().or_else(|| expired(it))
        });
        self.counts.errors += u64::from(matches!(finished, Some((_, Err(_)))));
        finished
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        let disks = self.disks.values();
        let disks = disks.flat_map(|it| [it.expiry(self.out_since, self.io_timeout), it.next_deadline()]).flatten();
        let discovery = match (&self.discovery, self.due, self.attachment) {
            (Some(discovery), ..) => discovery.next_deadline(),
            (None, Due::At(at), Some(_)) => Some(at),
            _ => None,
        };
        disks.chain(discovery).chain(self.farewell()).min()
    }

    /// Whether there is something new to tell since the last time that this was asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub fn disks(&self) -> BTreeMap<u16, DiskState> {
        let problems = self.problems.iter().map(|(&lun, problem)| (lun, DiskState::absent(problem.clone())));
        let disks = self.disks.iter().map(|(&lun, it)| {
            let (unit, problem) = (Some(it.unit.clone()), it.problem.clone());
            (lun, DiskState { generation: it.generation, unit, confirmed: it.confirmed, problem })
        });
        problems.chain(disks).collect()
    }

    pub fn path(&self) -> Path {
        let attached = self.attachment.map(|it| (it.home, it.rail));
        Path { attached, refusal: self.refusal.clone(), problem: self.problem.clone() }
    }

    pub fn counts(&self) -> Counts {
        let waiting: usize = self.disks.values().map(Disk::waiting).sum();
        let held = if self.attachment.is_none() { waiting + self.sent.len() } else { 0 };
        Counts { held: held as u64, ..self.counts }
    }

    fn look_at(&mut self, attachment: Option<Attachment>, now: Nanos) {
        if attachment == self.attachment {
            return;
        }
        self.changed = true;
        if attachment.is_some() {
            self.out_since = None;
            self.refusal.clear();
            self.rescan();
        } else {
            self.out_since = self.out_since.or(Some(now));
        }
        self.attachment = attachment;
    }

    fn begin_discovery(&mut self, now: Nanos) {
        let due = match self.due {
            Due::Nothing => false,
            Due::Now => true,
            Due::At(at) => now >= at,
        };
        if due && self.closed_since.is_none() && self.discovery.is_none() && self.attachment.is_some() {
            self.due = Due::Nothing;
            self.serial += 1;
            self.discovery = Some(Discovery::new(self.mask.clone()));
        }
    }

    fn ask(&mut self, initiator: &mut Initiator, now: Nanos) -> bool {
        let Some(discovery) = &mut self.discovery else { return false };
        let mut asked = false;
        while let Some((question, command)) = discovery.next_question(now) {
            match initiator.submit(command, now) {
                Ok(number) => {
                    let owner = Owner::Discovery { serial: self.serial, question };
                    self.sent.insert(number, Sent { owner, since: now, reads: 0, writes: 0 });
                    asked = true;
                }
                Err(_) => discovery.refused(question, now),
            }
        }
        asked
    }

    /// False: the initiator takes no more now.
    fn feed_disk(&mut self, lun: u16, initiator: &mut Initiator, fed: &mut bool, now: Nanos) -> bool {
        let Some(disk) = self.disks.get_mut(&lun) else { return true };
        while let Some((tag, command)) = disk.next_command(self.closed_since.is_none(), now) {
            let (reads, writes) = moved(&command);
            match initiator.submit(command, now) {
                Ok(number) => {
                    let owner = Owner::Disk { lun, generation: disk.generation, tag };
                    self.sent.insert(number, Sent { owner, since: now, reads, writes });
                    *fed = true;
                }
                Err(NotTaken::Full) => {
                    disk.refused(tag);
                    return false;
                }
                Err(NotTaken::TooLong) => disk.lost(tag),
            }
        }
        true
    }

    fn completed(&mut self, number: CommandNumber, response: &Response, now: Nanos) {
        let Some(Sent { owner, since, reads, writes }) = self.sent.remove(&number) else { return };
        // The initiator's own word: there is no reason to try once more for as long.
        let ran_out =
            now >= since.saturating_add(self.io_timeout) && (*response == nobody_took_it() || *response == timed_out());
        if response.sense_code().is_some_and(means_change) {
            self.rescan();
        }
        match owner {
            Owner::Disk { lun, generation, tag } => {
                self.count(response, reads, writes);
                let Some(disk) = self.disks.get_mut(&lun).filter(|it| it.generation == generation) else { return };
                if ran_out { disk.lost(tag) } else { disk.completed(tag, response, now) }
            }
            Owner::Discovery { serial, .. } if serial != self.serial => {}
            Owner::Discovery { question, .. } => {
                let Some(discovery) = &mut self.discovery else { return };
                discovery.answered(question, response, now);
                if let Some(outcome) = discovery.outcome() {
                    self.discovery = None;
                    self.discovered(outcome, now);
                }
            }
        }
    }

    fn count(&mut self, response: &Response, reads: u64, writes: u64) {
        self.counts.commands += 1;
        if response.is_good() {
            self.counts.read_octets += reads;
            self.counts.written_octets += writes;
        }
    }

    fn discovered(&mut self, outcome: Result<Units, String>, now: Nanos) {
        self.changed = true;
        let units = match outcome {
            Ok(units) => units,
            Err(problem) => {
                self.problem = problem;
                self.due = Due::At(now + limits::REDISCOVER);
                return;
            }
        };
        self.problem.clear();
        self.problems.clear();
        self.disks.retain(|lun, _| units.contains_key(lun));
        for (lun, found) in units {
            match (self.disks.get_mut(&lun), found) {
                (Some(disk), Ok(unit)) if disk.is(&unit) => disk.confirm(unit),
                (_, Ok(unit)) => self.insert(lun, unit, true),
                (Some(disk), Err(problem)) => disk.problem = problem,
                (None, Err(problem)) => _ = self.problems.insert(lun, problem),
            }
        }
        let troubled = !self.problems.is_empty() || self.disks.values().any(|it| !it.problem.is_empty());
        if troubled && self.due == Due::Nothing {
            self.due = Due::At(now + limits::REDISCOVER);
        }
    }

    /// Takes the place of whatever had this LUN: its requests end with errors, as it is gone.
    fn insert(&mut self, lun: u16, unit: Unit, confirmed: bool) {
        self.generations += 1;
        if let Some(former) = self.disks.get(&lun) {
            let (was, is) = (describe(&former.unit), describe(&unit));
            tracing::warn!(lun, was, is, "another unit has this LUN now: its export is replaced");
        }
        self.disks.insert(lun, Disk::new(self.generations, unit, self.patience, confirmed));
    }
}

fn describe(unit: &Unit) -> String {
    let facts = &unit.facts;
    format!("{} blocks of {} octets, {:?}, {}", facts.blocks, facts.block_length, unit.identity, unit.product)
}

fn moved(command: &Command) -> (u64, u64) {
    (command.data_in_length.into(), command.data_out.len() as u64)
}

/// What a unit said of itself may be true no longer.
fn means_change(code: SenseCode) -> bool {
    [SenseCode::REPORTED_LUNS_CHANGED, SenseCode::CAPACITY_CHANGED, SenseCode::INQUIRY_DATA_CHANGED].contains(&code)
}
