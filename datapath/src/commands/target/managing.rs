//! Task management at the home: a function acts on what the agent sent before it, whether the SAN has it or not.

use bytes::Bytes;
use twinrail_proto::rail::command::{Body, CommandNumber, TaskAnswer as WireAnswer, TaskManagement as WireFunction};

use super::executions::State;
use super::functions::{Asked, Managing};
use super::{Owner, Target};
use crate::commands::words;
use crate::san::Tag;
use crate::scsi::{Response, Status, TaskAnswer, TaskFunction, TaskManagement};

impl Target {
    /// False: the agent breaks order or limit.
    pub(super) fn take_function(&mut self, function: &WireFunction) -> bool {
        let number = function.number;
        match self.functions.get(number) {
            Some(Managing::Answered(answer)) => self.tell_result(number, *answer),
            Some(_) => {}
            None if self.functions.admits(number) => self.begin_function(number, words::function_from_wire(function)),
            None => return false,
        }
        true
    }

    fn begin_function(&mut self, number: u64, request: TaskManagement) {
        let named = match request.function {
            TaskFunction::AbortTask { tag } => {
                let unfinished = self.executions.unfinished(request.lun);
                unfinished.into_iter().filter(|it| it.0 == tag).collect()
            }
            TaskFunction::ClearAca => Vec::new(),
            _ => self.executions.unfinished(request.lun),
        };
        let waits = |it: &CommandNumber| matches!(self.executions.state(*it), Some(State::Waiting(_)));
        let (dropped, running): (Vec<_>, Vec<_>) = named.into_iter().partition(waits);
        self.queue.retain(|it| !dropped.contains(it));
        let mut asked = Asked { request, dropped, running };
        if !matches!(request.function, TaskFunction::AbortTask { .. }) {
            self.functions.set(number, Managing::Waiting(asked));
            return;
        }
        match asked.running.first().and_then(|&it| self.executions.state(it)) {
            Some(State::Running(Tag(tag))) => {
                asked.request.function = TaskFunction::AbortTask { tag: *tag };
                self.functions.set(number, Managing::Waiting(asked));
            }
            _ => {
                let found = !asked.dropped.is_empty();
                let answer = if found { TaskAnswer::Complete } else { TaskAnswer::NoSuchTask };
                self.functions.set(number, Managing::Running(asked));
                self.finish_function(number, answer);
            }
        }
    }

    /// A function has ended, whoever asked for it.
    pub(super) fn managed(&mut self, tag: Tag, answer: TaskAnswer) {
        let flight = self.tags.remove(&tag);
        match flight.map(|it| it.owner) {
            Some(Owner::Function(number)) => self.finish_function(number, answer),
            Some(Owner::Home(errand)) => self.reset_answered(errand.lun(), answer),
            _ => self.finish_left(tag, answer),
        }
        if let Some(flight) = flight.filter(|_| answer.is_complete()) {
            self.repeat_errands(flight.lun);
        }
    }

    /// Who still waits for a function knows by its answer what ended. Who has given up waiting is told of each command.
    pub(super) fn finish_function(&mut self, number: u64, answer: TaskAnswer) {
        let Some((Asked { dropped, running, .. }, awaited)) = self.functions.finish(number, answer) else { return };
        let running = if answer.is_complete() { running } else { Vec::new() };
        for command in dropped.into_iter().chain(running) {
            if self.end(command) && !(awaited && answer.is_complete()) {
                self.answer(command, Response::with_status(Status::TaskAborted));
            }
        }
        if awaited {
            self.tell_result(number, answer);
        }
    }

    /// The agent is replaced: what its functions will have ended is known by the tags alone from now on.
    pub(super) fn leave_functions(&mut self) {
        for (&tag, flight) in &self.tags {
            let Owner::Function(number) = flight.owner else { continue };
            let Some(Managing::Running(asked)) = self.functions.get(number) else { continue };
            let running = asked.running.iter().filter_map(|&it| match self.executions.state(it) {
                Some(&State::Running(tag)) => Some(tag),
                _ => None,
            });
            self.left.insert(tag, running.collect());
        }
    }

    /// A function of a replaced agent has ended.
    pub(super) fn finish_left(&mut self, tag: Tag, answer: TaskAnswer) {
        let ended = self.left.remove(&tag).unwrap_or_default();
        if answer.is_complete() {
            self.tags.retain(|it, _| !ended.contains(it));
        }
    }

    /// Ends a command without an answer. False: it has ended before.
    fn end(&mut self, number: CommandNumber) -> bool {
        match self.executions.state(number) {
            Some(&State::Running(tag)) => {
                self.tags.remove(&tag);
            }
            Some(State::Waiting(_)) => {}
            _ => return false,
        }
        self.executions.replace(number, State::Ended).is_some()
    }

    fn tell_result(&mut self, number: u64, answer: TaskAnswer) {
        if let Some(link) = self.link {
            let result = words::result_to_wire(answer);
            self.send(link, Body::TaskAnswer(WireAnswer { number, result }), Bytes::new());
        }
    }
}
