//! A problem that comes back many times a second is worth a line in the log when it is new, and now and then afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A problem that lasts is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Problems that are remembered. Callers may choose the words: when it is full all are forgotten, and told once more.
const REMEMBERED: usize = 64;

/// Which problems were told, and when.
#[derive(Debug, Default)]
pub struct Reminders {
    told: Mutex<BTreeMap<String, Instant>>,
}

impl Reminders {
    /// Whether to tell it now. When it says yes, it counts as told.
    pub fn due(&self, problem: &str, now: Instant) -> bool {
        let mut told = self.told.lock();
        if told.get(problem).is_some_and(|at| now.duration_since(*at) < AGAIN_AFTER) {
            return false;
        }
        if told.len() == REMEMBERED {
            told.clear();
        }
        told.insert(problem.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_when_it_is_new_and_when_it_lasts() {
        let (reminders, start) = (Reminders::default(), Instant::now());
        let later = start + AGAIN_AFTER;
        assert!(reminders.due("one", start) && reminders.due("two", start));
        assert!(!reminders.due("one", later - Duration::from_millis(1)));
        assert!(reminders.due("one", later));
        assert!(!reminders.due("one", later));
    }

    #[test]
    fn not_all_words_are_kept_for_ever() {
        let (reminders, now) = (Reminders::default(), Instant::now());
        for number in 0..10 * REMEMBERED {
            reminders.due(&number.to_string(), now);
        }
        assert!(reminders.told.lock().len() <= REMEMBERED);
    }
}
