use twinrail_proto::domain::Rail;

use super::Timing;
use crate::{Moment, Standing};

/// A change of one path, as the datapath reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    Up,
    /// `last_heard`: the last traffic that came in by this path before it was called down.
    Down {
        last_heard: Moment,
    },
}

/// What is known of one director.
///
/// ```text
///              up                    last path down
///   Unheard ─────────▶ Alive ◀──────────────────────▶ Doubted
///      │                 ▲              up               │
///      │ never_heard     │ hold_down                     │ lost_after: Lost
///      ▼                 │               last path down
///     Lost ─────────▶ Returning ◀──────────────────▶ Relapsed
///      ▲       up                        up              │ lost_after
///      └─────────────────────────────────────────────────┘
/// ```
///
/// One that comes back is not lost again at the first silence: Raft may have made it the leader meanwhile, and its followers
/// would depose it for a stall of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Unheard { since: Moment },
    Alive,
    Doubted { since: Moment },
    Lost,
    Returning { since: Moment },
    Relapsed { since: Moment },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Lost { last_seen: Moment },
    Returned,
}

#[derive(Debug)]
pub(super) struct Watched {
    health: Health,
    up: [bool; 2],
    last_seen: Moment,
}

impl Watched {
    pub fn new(now: Moment) -> Self {
        Self { health: Health::Unheard { since: now }, up: [false; 2], last_seen: now }
    }

    pub fn health(&self) -> Health {
        self.health
    }

    pub fn standing(&self) -> Standing {
        match self.health {
            Health::Alive => Standing::Trusted,
            Health::Lost => Standing::Lost,
            Health::Unheard { .. } | Health::Doubted { .. } | Health::Returning { .. } | Health::Relapsed { .. } => {
                Standing::Doubted
            }
        }
    }

    /// By any path, now.
    pub fn is_heard(&self) -> bool {
        self.up != [false; 2]
    }

    pub fn on_path(&mut self, rail: Rail, change: PathChange, now: Moment) {
        match change {
            PathChange::Up => {
                self.up[rail.index()] = true;
                self.last_seen = self.last_seen.max(now);
            }
            PathChange::Down { last_heard } => {
                self.up[rail.index()] = false;
                self.last_seen = self.last_seen.max(last_heard);
            }
        }
        self.health = next(self.health, self.up != [false; 2], now);
    }

    pub fn tick(&mut self, now: Moment, timing: &Timing) -> Option<Verdict> {
        if self.deadline(timing).is_none_or(|deadline| now < deadline) {
            return None;
        }
        let (health, verdict) = match self.health {
            Health::Returning { .. } => (Health::Alive, Some(Verdict::Returned)),
            // It was said to be lost, and never to be back.
            Health::Relapsed { .. } => (Health::Lost, None),
            _ => (Health::Lost, Some(Verdict::Lost { last_seen: self.last_seen })),
        };
        self.health = health;
        verdict
    }

    pub fn deadline(&self, timing: &Timing) -> Option<Moment> {
        match self.health {
            Health::Unheard { since } => Some(since + timing.never_heard),
            Health::Doubted { since } | Health::Relapsed { since } => Some(since + timing.lost_after),
            Health::Returning { since } => Some(since + timing.hold_down),
            Health::Alive | Health::Lost => None,
        }
    }
}

/// The transitions that paths make; those that time makes are in `tick`.
fn next(health: Health, any_path_up: bool, now: Moment) -> Health {
    match (health, any_path_up) {
        (Health::Unheard { .. } | Health::Doubted { .. } | Health::Alive, true) => Health::Alive,
        (Health::Alive, false) => Health::Doubted { since: now },
        (Health::Lost | Health::Relapsed { .. }, true) => Health::Returning { since: now },
        (Health::Returning { .. }, false) => Health::Relapsed { since: now },
        (Health::Returning { .. }, true) => health,
        (Health::Lost | Health::Relapsed { .. } | Health::Unheard { .. } | Health::Doubted { .. }, false) => health,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Moment = Moment::from_millis(10_000);

    /// Every state with every set of paths that it can have.
    fn states() -> Vec<Watched> {
        let since = Moment::from_millis(9_990);
        let (up, down) = ([[true, false], [false, true], [true, true]], [[false, false]]);
        let with = |health, paths: &[[bool; 2]]| -> Vec<Watched> {
            paths.iter().map(|&up| Watched { health, up, last_seen: since }).collect()
        };
        [
            with(Health::Unheard { since }, &down),
            with(Health::Alive, &up),
            with(Health::Doubted { since }, &down),
            with(Health::Lost, &down),
            with(Health::Returning { since }, &up),
            with(Health::Relapsed { since }, &down),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn letter(health: Health) -> char {
        match health {
            Health::Unheard { .. } => 'U',
            Health::Alive => 'A',
            Health::Doubted { .. } => 'D',
            Health::Lost => 'L',
            Health::Returning { .. } => 'R',
            Health::Relapsed { .. } => 'r',
        }
    }

    fn row(watched: impl Fn() -> Watched) -> String {
        let down = PathChange::Down { last_heard: T };
        let mut row = format!("{}{:?}:", letter(watched().health), watched().up.map(u8::from));
        for (rail, change) in [(Rail::A, PathChange::Up), (Rail::B, PathChange::Up), (Rail::A, down), (Rail::B, down)] {
            let mut it = watched();
            it.on_path(rail, change, T);
            row.push(letter(it.health));
        }
        for after in [0, 100, 400, 4000] {
            let mut it = watched();
            let verdict = it.tick(T + std::time::Duration::from_millis(after), &Timing::default());
            row.push(letter(it.health));
            if verdict.is_some() {
                row.push('!');
            }
        }
        row
    }

    /// Columns: A up, B up, A down, B down, then a tick after 10, 110, 410 and 4010 ms in the state; `!` marks a verdict.
    #[test]
    fn the_whole_table() {
        let count = states().len();
        let table: Vec<String> = (0..count).map(|index| row(|| states().swap_remove(index))).collect();
        let expected = [
            "U[0, 0]:AAUUUUUL!",
            "A[1, 0]:AADAAAAA",
            "A[0, 1]:AAADAAAA",
            "A[1, 1]:AAAAAAAA",
            "D[0, 0]:AADDDL!L!L!",
            "L[0, 0]:RRLLLLLL",
            "R[1, 0]:RRrRRRA!A!",
            "R[0, 1]:RRRrRRA!A!",
            "R[1, 1]:RRRRRRA!A!",
            "r[0, 0]:RRrrrLLL",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn the_last_sign_of_life_is_the_newest_of_both_paths() {
        let mut it = Watched::new(Moment::from_millis(0));
        it.on_path(Rail::A, PathChange::Up, Moment::from_millis(100));
        it.on_path(Rail::B, PathChange::Up, Moment::from_millis(110));
        it.on_path(Rail::B, PathChange::Down { last_heard: Moment::from_millis(970) }, Moment::from_millis(1000));
        it.on_path(Rail::A, PathChange::Down { last_heard: Moment::from_millis(960) }, Moment::from_millis(1000));
        let verdict = it.tick(Moment::from_millis(1080), &Timing::default());
        assert_eq!(verdict, Some(Verdict::Lost { last_seen: Moment::from_millis(970) }));
    }
}
