//! How many messages may be under way: decided from numbers alone, without hardware.
//!
//! ```text
//!   sender                                                       receiver
//!   sent ─ told taken < window? ──── message, no. sent ────────▶ taken + 1
//!        ◀──── every message of the other direction carries `taken` of both queue pairs (its immediate number);
//!              one without octets is sent when half a window was taken and nothing else went
//! ```
//!
//! Counts wrap at 16 bits; a window is far smaller ([`MAX_WINDOW`](twinrail_proto::rail::MAX_WINDOW)).

/// Receives that are reserved for messages without octets, beyond a window: one is sent for each half of a window at most, and
/// the next half comes only when the first of them was read.
pub(super) const RESERVE: u16 = 4;

/// The largest window: about 4 MiB of super-frames, more than a rail of 200 Gb/s needs for a round trip of 100 µs.
pub(super) const LARGEST_WINDOW: u16 = 64;

/// The smallest window: less would stop a sender after every message.
pub(super) const SMALLEST_WINDOW: u16 = 4;

/// What one sender knows of one queue pair's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendWindow {
    window: u16,
    sent: u16,
}

impl SendWindow {
    pub fn new(window: u16) -> Self {
        Self { window, sent: 0 }
    }

    /// Whether one more message may be sent, when the peer says that it took so many.
    pub fn is_open(&self, taken: u16) -> bool {
        self.sent.wrapping_sub(taken) < self.window
    }

    /// Whether the peer says that it took more than was sent.
    pub fn is_overdrawn(&self, taken: u16) -> bool {
        self.sent.wrapping_sub(taken) > self.window
    }

    pub fn send(&mut self) {
        self.sent = self.sent.wrapping_add(1);
    }
}

/// Whether the peer can have taken so many, when it said `before` last: it cannot take back, nor take more than a window.
pub(super) fn is_plausible(before: u16, taken: u16, window: u16) -> bool {
    taken.wrapping_sub(before) <= window
}

/// Whether the peer must be told how many were taken, by a message of its own.
pub(super) fn is_owed(taken: u16, told: u16, window: u16) -> bool {
    taken.wrapping_sub(told) >= (window / 2).max(1)
}

/// Both counts of a path in the number that goes along with a message.
pub(super) fn pack(taken: [u16; 2]) -> u32 {
    u32::from(taken[0]) << 16 | u32::from(taken[1])
}

pub(super) fn unpack(number: u32) -> [u16; 2] {
    [(number >> 16) as u16, number as u16]
}

/// Shares the receives of a rail out among the paths. The first get large windows; when little is left they get smaller, but
/// never below the smallest: then more is promised than there is, which only delays a sender when all send at once.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: i64,
}

impl Budget {
    pub fn new(receives: u32) -> Self {
        Self { left: i64::from(receives) }
    }

    /// A window for both queue pairs of a new path.
    pub fn grant(&mut self) -> u16 {
        let share = (self.left / 16).clamp(i64::from(SMALLEST_WINDOW), i64::from(LARGEST_WINDOW)) as u16;
        self.left -= cost(share);
        share
    }

    pub fn give_back(&mut self, window: u16) {
        self.left += cost(window);
    }
}

fn cost(window: u16) -> i64 {
    2 * i64::from(window + RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_until_so_many_are_not_taken_also_where_counts_wrap() {
        for start in [0, u16::MAX - 1] {
            let mut window = SendWindow { window: 3, sent: start };
            let table = [(start, true), (start, true), (start, true), (start, false), (start.wrapping_add(1), true)];
            for (at, (taken, open)) in table.into_iter().enumerate() {
                assert_eq!(window.is_open(taken), open, "message {at} from {start}");
                if open {
                    window.send();
                }
            }
            assert!(!window.is_overdrawn(start.wrapping_add(4)) && window.is_overdrawn(start.wrapping_add(5)));
            assert!(!window.is_open(start.wrapping_add(1)) && window.is_open(start.wrapping_add(4)));
        }
    }

    #[test]
    fn what_a_peer_may_claim_and_when_it_is_told() {
        for (before, taken, plausible) in [(0, 0, true), (0, 8, true), (0, 9, false), (9, 8, false), (65_530, 2, true)]
        {
            assert_eq!(is_plausible(before, taken, 8), plausible, "{before} then {taken}");
        }
        for (taken, told, window, owed) in
            [(3, 0, 8, false), (4, 0, 8, true), (1, 65_533, 8, true), (0, 0, 1, false), (1, 0, 1, true)]
        {
            assert_eq!(is_owed(taken, told, window), owed, "{taken} taken, {told} told, window {window}");
        }
        for taken in [[0, 0], [1, 2], [65_535, 0], [0x1234, 0xabcd]] {
            assert_eq!(unpack(pack(taken)), taken);
        }
    }

    /// At most so many messages without octets wait at a receiver that reads nothing, however the peer sends.
    #[test]
    fn the_reserve_is_enough() {
        for window in [SMALLEST_WINDOW, 5, LARGEST_WINDOW] {
            let (mut taken, mut told, mut waiting) = (0, 0, 0);
            // The peer knows nothing of what was taken, so that a window is all that it sends.
            for _ in 0..2 * window {
                taken += 1;
                if is_owed(taken, told, window) && taken <= window {
                    (told, waiting) = (taken, waiting + 1);
                }
            }
            assert!(2 * waiting <= RESERVE, "window {window}: {waiting} for each of two queue pairs");
        }
    }

    #[test]
    fn windows_shrink_as_receives_run_out_and_grow_again() {
        let mut budget = Budget::new(1024);
        let windows: Vec<u16> = (0..300).map(|_| budget.grant()).collect();
        assert_eq!(windows[0], LARGEST_WINDOW);
        assert!(windows.is_sorted_by(|a, b| a >= b) && windows[299] == SMALLEST_WINDOW, "{windows:?}");
        windows.iter().for_each(|&it| budget.give_back(it));
        assert_eq!(budget.grant(), LARGEST_WINDOW);
    }
}
