use std::collections::VecDeque;

use bytes::Bytes;

use super::unit::Unit;
use crate::nbd::scsi::{CommandTag, Patience, Translator};
use crate::nbd::{Errno, Export, Request};
use crate::rail::Nanos;
use crate::scsi::{Command, Response};

/// One logical unit with the requests for it.
#[derive(Debug)]
pub(super) struct Disk<T> {
    /// Grows whenever another unit takes this LUN: what was meant for the former one is not for this one.
    pub generation: u64,
    pub unit: Unit,
    /// Why the unit is not to be trusted now. Empty: nothing.
    pub problem: String,
    /// The unit was seen to be the one that is remembered. Before that nothing is sent to it.
    pub confirmed: bool,
    /// What clients were promised.
    promised: Export,
    waiting: VecDeque<(Nanos, Request, T)>,
    translator: Translator<T>,
}

impl<T> Disk<T> {
    pub fn new(generation: u64, unit: Unit, patience: Patience, confirmed: bool) -> Self {
        let translator = Translator::new(unit.facts.clone(), patience);
        let (promised, problem) = (unit.facts.export(""), String::new());
        Self { generation, unit, problem, confirmed, promised, waiting: VecDeque::new(), translator }
    }

    /// Whether clients of this disk may go on with that unit: it is the same one, and keeps what they were promised.
    pub fn is(&self, unit: &Unit) -> bool {
        unit.identity == self.unit.identity
            && unit.facts.lun == self.unit.facts.lun
            && unit.facts.export("") == self.promised
    }

    pub fn confirm(&mut self, unit: Unit) {
        (self.confirmed, self.problem) = (true, String::new());
        self.translator.set_facts(unit.facts.clone());
        self.unit = unit;
    }

    pub fn submit(&mut self, request: Request, token: T, now: Nanos) {
        self.waiting.push_back((now, request, token));
    }

    /// The next command for the unit, if it may have one now. `open`: requests that were not begun may begin.
    pub fn next_command(&mut self, open: bool, now: Nanos) -> Option<(CommandTag, Command)> {
        loop {
            if let Some(command) = self.translator.next_command(now) {
                return Some(command);
            }
            let begins = open && self.confirmed && self.translator.wants_request(now);
            let (_, request, token) = begins.then(|| self.waiting.pop_front()).flatten()?;
            self.translator.submit(request, token);
        }
    }

    pub fn next_finished(&mut self) -> Option<(T, Result<Bytes, Errno>)> {
        self.translator.next_finished()
    }

    /// The path did not take the command: it is the next one again.
    pub fn refused(&mut self, tag: CommandTag) {
        self.translator.refused(tag);
    }

    pub fn lost(&mut self, tag: CommandTag) {
        self.translator.lost(tag);
    }

    pub fn completed(&mut self, tag: CommandTag, response: &Response, now: Nanos) {
        self.translator.completed(tag, response, now);
    }

    /// Requests that were not begun.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing was begun that has not ended.
    pub fn is_idle(&self) -> bool {
        self.translator.is_idle()
    }

    /// Takes requests that have waited for `patience`. The time counts from when the disk could not be reached: `None`,
    /// it can, and what waits then waits for the unit.
    pub fn expired(&mut self, out_since: Option<Nanos>, patience: Nanos, now: Nanos) -> Option<T> {
        let due = self.expiry(out_since, patience)?;
        (now >= due).then(|| self.waiting.pop_front()).flatten().map(|it| it.2)
    }

    /// When the first of what waits has waited for `patience`.
    pub fn expiry(&self, out_since: Option<Nanos>, patience: Nanos) -> Option<Nanos> {
        let from = if self.confirmed { out_since? } else { out_since.unwrap_or_default() };
        self.waiting.front().map(|it| it.0.max(from).saturating_add(patience))
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.translator.next_deadline()
    }
}
