use std::collections::VecDeque;

use twinrail_proto::rail::command::{CommandNumber, Credits};

/// What the home may be holding: every command sent to it in this epoch whose answer was not acknowledged. It never
/// holds more than its credits allow, since an acknowledgement goes before the command that needs its room.
#[derive(Debug)]
pub struct Window {
    limit: Credits,
    sent: VecDeque<(CommandNumber, u64)>,
    octets: u64,
    sent_up_to: CommandNumber,
}

impl Default for Window {
    fn default() -> Self {
        Self { limit: Credits::LEAST, sent: VecDeque::new(), octets: 0, sent_up_to: CommandNumber(0) }
    }
}

impl Window {
    pub fn set_limit(&mut self, limit: Credits) {
        self.limit = limit;
    }

    /// The command was sent in this epoch before: sending it again needs no room.
    pub fn has_sent(&self, number: CommandNumber) -> bool {
        number <= self.sent_up_to
    }

    pub fn sent_up_to(&self) -> CommandNumber {
        self.sent_up_to
    }

    pub fn has_room(&self, cost: u64) -> bool {
        self.sent.len() < self.limit.commands as usize && self.octets + cost <= self.limit.octets
    }

    /// A command goes out for the first time in this epoch. They go in the order of their numbers.
    pub fn send(&mut self, number: CommandNumber, cost: u64) {
        assert!(number > self.sent_up_to, "commands are sent in the order of their numbers");
        self.sent_up_to = number;
        self.octets += cost;
        self.sent.push_back((number, cost));
    }

    /// Commands that an acknowledgement of all up to `number` would free.
    pub fn would_release(&self, number: CommandNumber) -> usize {
        self.sent.partition_point(|&(sent, _)| sent <= number)
    }

    pub fn release(&mut self, number: CommandNumber) {
        while let Some(&(first, cost)) = self.sent.front().filter(|it| it.0 <= number) {
            debug_assert!(first <= number);
            self.octets -= cost;
            self.sent.pop_front();
        }
    }

    /// So many freed commands are worth a message of their own: a quarter of the room.
    pub fn worth_acknowledging(&self, count: usize) -> bool {
        count * 4 >= self.limit.commands as usize && count > 0
    }
}
