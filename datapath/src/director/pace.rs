//! When the announcements of one adapter go out.
//!
//! ```text
//!   taken up ── the server follows the epoch, or 50 ms ──▶ first ── 5 ms, and the server follows ──▶ second ── 15 ms … ▶ ninth
//! ```
//!
//! The first one waits until the server follows the epoch: the server is the only source of the adapter's frames, so from
//! then on no frame of an older epoch sets out for the former home. It waits for [`PATIENCE`] at most, since a server may be
//! slow, and whoever is on the LAN must find the adapter all the same.
//!
//! Repeated, because a switch may lose one, or may relearn the old port from a frame that was under way; and to the end, which
//! is later than the end of any lease that a former home may have. Each waits until the server was heard lately: a home that
//! was cut off may still have its lease and its LAN port, and what it announced would take the LAN away from the next home.

use crate::rail::Nanos;

const MS: Nanos = 1_000_000;

/// Between the one before and each announcement, after the first: 5, 20, 50, 100, 250, 500, 1000 and 2000 ms after that.
const GAPS: [Nanos; 8] = [5 * MS, 15 * MS, 30 * MS, 50 * MS, 150 * MS, 250 * MS, 500 * MS, 1000 * MS];

/// How long the first one waits for the server.
const PATIENCE: Nanos = 50 * MS;

/// So long after it was heard a server still follows: it says so at every tick of 10 ms, and one of them may be lost.
const FRESH: Nanos = 30 * MS;

/// How often it is looked whether the server follows: for the first announcement, and for a later one that is overdue.
const LOOK_AGAIN: Nanos = MS;
const LOOK_AGAIN_LATER: Nanos = 10 * MS;

/// Of one adapter and one epoch.
#[derive(Debug, Default)]
pub struct Pace {
    /// When it was first looked at, and last.
    since: Option<Nanos>,
    looked: Nanos,
    last: Option<Nanos>,
    sent: usize,
}

impl Pace {
    /// Whether one goes out now. `heard`: when the server said last that it follows this epoch.
    pub fn is_due(&mut self, heard: Option<Nanos>, now: Nanos) -> bool {
        self.looked = now;
        let since = *self.since.get_or_insert(now);
        let follows = heard.is_some_and(|it| now < it + FRESH);
        let due = match self.last {
            None => follows || now >= since + PATIENCE,
            Some(last) => follows && !self.is_over() && now >= last + GAPS[self.sent - 1],
        };
        if due {
            self.last = Some(now);
            self.sent += 1;
        }
        due
    }

    /// How many went out.
    pub fn sent(&self) -> usize {
        self.sent
    }

    pub fn is_over(&self) -> bool {
        self.sent > GAPS.len()
    }

    /// When to look at it next.
    pub(super) fn deadline(&self) -> Nanos {
        match (self.last, self.since) {
            (Some(last), _) if self.looked < last + GAPS[self.sent - 1] => last + GAPS[self.sent - 1],
            (Some(_), _) => self.looked + LOOK_AGAIN_LATER,
            (None, Some(_)) => self.looked + LOOK_AGAIN,
            (None, None) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When announcements go out within 5 s, looked at every ms; `heard`: when the server is heard, as of a given time.
    fn announced(heard: impl Fn(Nanos) -> Option<Nanos>) -> Vec<Nanos> {
        let mut pace = Pace::default();
        (0..5000).filter(|&at| pace.is_due(heard(at * MS), at * MS)).collect()
    }

    #[test]
    fn nine_while_the_server_follows() {
        assert_eq!(announced(Some), [0, 5, 20, 50, 100, 250, 500, 1000, 2000]);
    }

    #[test]
    fn the_first_waits_for_the_server() {
        assert_eq!(announced(|now| (now >= 7 * MS).then_some(now))[..3], [7, 12, 27]);
    }

    /// Whoever is on the LAN must find it; but the rest is for when there is somebody to be found.
    #[test]
    fn one_without_the_server_and_the_others_when_it_comes() {
        assert_eq!(announced(|_| None), [50]);
        let late = announced(|now| (now >= 3000 * MS).then_some(now));
        assert_eq!(late[..4], [50, 3000, 3015, 3045]);
        assert_eq!(late.len(), 9);
    }

    /// The home was cut off from the server, which may have another one by now.
    #[test]
    fn none_when_the_server_is_not_heard_any_more() {
        assert_eq!(announced(|now| Some(now.min(200 * MS))), [0, 5, 20, 50, 100]);
        let back = announced(|now| Some(if now < 700 * MS { now.min(200 * MS) } else { now }));
        assert_eq!(back[5..], [700, 950, 1450, 2450]);
    }

    #[test]
    fn it_is_looked_at_in_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(), 0);
        assert!(!pace.is_due(None, 3 * MS));
        assert_eq!(pace.deadline(), 4 * MS);
        assert!(pace.is_due(Some(4 * MS), 4 * MS));
        assert_eq!(pace.deadline(), 9 * MS);
        assert!(!pace.is_due(None, 9 * MS));
        assert_eq!(pace.deadline(), 19 * MS, "it waits for the server");
    }
}
