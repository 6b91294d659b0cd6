//! What a prober knows: pure, time is an argument.
//!
//! A *gap* is the time between two answers that came one after the other. A probe is *lost* when its answer has not come
//! within [`LOST_AFTER`]; an answer after that is *late*. An *own stall* is a time in which the prober was not
//! scheduled: it sent nothing and read nothing, so a gap across it is not the network's.

use std::collections::VecDeque;

use super::clock::{MILLISECOND, Nanos, SECOND};
use super::report::{ProbeEvent, ProbeSummary};

/// Shorter gaps are not told: probes go out every millisecond, and answers jitter by about as much.
pub const TOLD_GAP: Nanos = 3 * MILLISECOND;
/// Far longer than any round trip here, and than any outage that we promise to stay under.
pub const LOST_AFTER: Nanos = SECOND;

#[derive(Clone, Copy)]
struct Waiting {
    sent_at: Nanos,
    answered: bool,
}

#[derive(Default)]
pub struct ProbeLog {
    /// Probes from `first` on, in the order sent; the oldest go when they are answered or given up.
    waiting: VecDeque<Waiting>,
    first: u64,
    highest_answered: Option<u64>,
    last_answer: Option<Nanos>,
    summary: ProbeSummary,
    events: Vec<ProbeEvent>,
}

impl ProbeLog {
    /// The number of the next probe.
    pub fn next_number(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    pub fn on_sent(&mut self, now: Nanos) {
        self.waiting.push_back(Waiting { sent_at: now, answered: false });
        self.summary.sent += 1;
    }

    pub fn on_answer(&mut self, number: u64, now: Nanos) {
        if number >= self.next_number() {
            // Never sent: somebody else's bytes.
            return;
        }
        self.note_gap(now);
        match number.checked_sub(self.first).map(|index| &mut self.waiting[index as usize]) {
            None => self.summary.late += 1,
            Some(probe) if probe.answered => self.summary.duplicated += 1,
            Some(probe) => {
                probe.answered = true;
                self.summary.answered += 1;
                self.note_order(number);
            }
        }
    }

    pub fn on_own_stall(&mut self, from: Nanos, to: Nanos) {
        self.summary.longest_own_stall = self.summary.longest_own_stall.max(to - from);
        self.events.push(ProbeEvent::OwnStall { from, to });
    }

    /// Gives up what waited too long, and takes what there is to tell.
    pub fn tick(&mut self, now: Nanos) -> Vec<ProbeEvent> {
        while let Some(probe) = self.waiting.front() {
            if !probe.answered {
                if now < probe.sent_at + LOST_AFTER {
                    break;
                }
                self.summary.lost += 1;
                self.events.push(ProbeEvent::Lost { sent_at: probe.sent_at });
            }
            self.waiting.pop_front();
            self.first += 1;
        }
        let settled = self.waiting.front().map_or(now, |probe| probe.sent_at);
        self.events.push(ProbeEvent::Tick { at: now, last_answer: self.last_answer, settled });
        std::mem::take(&mut self.events)
    }

    /// The end: what still waits has had its time.
    pub fn finish(mut self, now: Nanos) -> Vec<ProbeEvent> {
        let mut events = self.tick(now + LOST_AFTER);
        events.push(ProbeEvent::Summary(self.summary));
        events
    }

    fn note_gap(&mut self, now: Nanos) {
        match self.last_answer {
            None => self.events.push(ProbeEvent::First { at: now }),
            Some(from) => {
                let gap = now.saturating_sub(from);
                self.summary.longest_gap = self.summary.longest_gap.max(gap);
                if gap >= TOLD_GAP {
                    self.events.push(ProbeEvent::Gap { from, to: now });
                }
            }
        }
        self.last_answer = Some(now);
    }

    fn note_order(&mut self, number: u64) {
        match self.highest_answered {
            Some(highest) if number < highest => self.summary.reordered += 1,
            _ => self.highest_answered = Some(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(log: ProbeLog, now: Nanos) -> ProbeSummary {
        match log.finish(now).pop() {
            Some(ProbeEvent::Summary(summary)) => summary,
            other => panic!("no summary at the end but {other:?}"),
        }
    }

    fn sent(count: u64) -> ProbeLog {
        let mut log = ProbeLog::default();
        (0..count).for_each(|number| log.on_sent(number * MILLISECOND));
        log
    }

    #[test]
    fn a_gap_is_told_with_both_its_ends() {
        let mut log = sent(100);
        log.on_answer(0, MILLISECOND);
        log.on_answer(1, 2 * MILLISECOND);
        log.on_answer(60, 61 * MILLISECOND);
        let gap = ProbeEvent::Gap { from: 2 * MILLISECOND, to: 61 * MILLISECOND };
        assert!(log.tick(62 * MILLISECOND).contains(&gap));
        assert_eq!(summary(log, SECOND).longest_gap, 59 * MILLISECOND);
    }

    #[test]
    fn lost_late_duplicated_and_reordered_are_told_apart() {
        let mut log = sent(5);
        for number in [0, 2, 1, 2] {
            log.on_answer(number, 10 * MILLISECOND);
        }
        let told = log.tick(2 * SECOND);
        let lost: Vec<_> = told.iter().filter(|event| matches!(event, ProbeEvent::Lost { .. })).collect();
        assert_eq!(lost.len(), 2, "3 and 4: {told:?}");
        log.on_answer(3, 2 * SECOND);
        log.on_answer(99, 2 * SECOND);
        let summary = summary(log, 3 * SECOND);
        assert_eq!((summary.sent, summary.answered, summary.lost), (5, 3, 2));
        assert_eq!((summary.late, summary.duplicated, summary.reordered), (1, 1, 1));
    }

    #[test]
    fn what_is_settled_never_runs_ahead_of_an_open_probe() {
        let mut log = sent(3);
        log.on_answer(0, 5 * MILLISECOND);
        log.on_answer(2, 5 * MILLISECOND);
        let Some(ProbeEvent::Tick { settled, .. }) = log.tick(6 * MILLISECOND).pop() else { panic!("no tick") };
        assert_eq!(settled, MILLISECOND, "probe 1 is open");
    }
}
