//! Whether one path works: decided from what is heard on it. No clock and no socket here: time is an argument.
//!
//! ```text
//!             anything heard                  hello: "I hear you"
//!   Silent ─────────────────▶ OneWay ────────────────────────────▶ Up
//!     ▲                         │  ▲                                │
//!     │ nothing for `patience`, │  │ hello: "I do not hear you",    │
//!     │ refused, going          │  │ another incarnation            │
//!     ├─────────────────────────┘  └────────────────────────────────┤
//!     └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! Guarantees: a path is up only when both directions worked a moment ago, with the process that runs there now; it is
//! down at the first tick after `patience` of silence, counted from the last message of any kind.

use twinrail_proto::rail::{Hello, Incarnation};

use crate::rail::Nanos;

/// Why a path went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownCause {
    /// Nothing came for the time of the missed hellos.
    Silent,
    /// The peer does not hear this machine.
    Unheard,
    /// Nobody has the port open there any more: the process is gone.
    Refused,
    /// The peer said that it stops.
    Going,
    /// Another process of the same machine answers now.
    Restarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Up,
    Down(DownCause),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Silent,
    OneWay { incarnation: Incarnation },
    Up { incarnation: Incarnation },
}

#[derive(Clone, Debug)]
pub struct Liveness {
    state: State,
    own: Incarnation,
    patience: Nanos,
    last_heard: Nanos,
    /// The last hello's `sent`, and when it came: what the next hello of ours echoes.
    echo: (u64, Nanos),
    round_trip: Option<Nanos>,
}

impl Liveness {
    pub fn new(own: Incarnation, patience: Nanos) -> Self {
        Self { state: State::Silent, own, patience, last_heard: 0, echo: (0, 0), round_trip: None }
    }

    /// Any message came from the peer.
    pub fn on_message(&mut self, from: Incarnation, now: Nanos) -> Option<Change> {
        self.last_heard = now;
        match self.state {
            State::OneWay { incarnation } | State::Up { incarnation } if incarnation == from => None,
            State::Up { .. } => self.fall(State::OneWay { incarnation: from }, DownCause::Restarted),
            State::Silent | State::OneWay { .. } => {
                self.state = State::OneWay { incarnation: from };
                self.echo = (0, 0);
                None
            }
        }
    }

    /// A hello came. `on_message` was called for it before.
    pub fn on_hello(&mut self, hello: &Hello, now: Nanos) -> Option<Change> {
        self.echo = (hello.sent, now);
        if hello.going {
            return self.fall(State::Silent, DownCause::Going);
        }
        if hello.echo != 0 && hello.hears == Some(self.own) {
            self.round_trip = now.checked_sub(hello.echo + u64::from(hello.held_us) * 1000);
        }
        match (self.state, hello.hears == Some(self.own)) {
            (State::OneWay { incarnation }, true) => {
                self.state = State::Up { incarnation };
                Some(Change::Up)
            }
            (State::Up { incarnation }, false) => self.fall(State::OneWay { incarnation }, DownCause::Unheard),
            (State::Silent | State::OneWay { .. }, false) | (State::Silent | State::Up { .. }, true) => None,
        }
    }

    /// The kernel there said that nobody listens.
    pub fn on_refused(&mut self) -> Option<Change> {
        self.fall(State::Silent, DownCause::Refused)
    }

    /// Time passed, and everything that had come was given to `on_message` before.
    pub fn on_tick(&mut self, now: Nanos) -> Option<Change> {
        match self.state {
            State::Silent => None,
            State::OneWay { .. } | State::Up { .. } if now.saturating_sub(self.last_heard) < self.patience => None,
            State::OneWay { .. } | State::Up { .. } => self.fall(State::Silent, DownCause::Silent),
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whom we hear on this path: what hellos tell the peer.
    pub fn hears(&self) -> Option<Incarnation> {
        match self.state {
            State::Silent => None,
            State::OneWay { incarnation } | State::Up { incarnation } => Some(incarnation),
        }
    }

    /// What the next hello echoes: the peer's `sent`, and for how many µs it was held.
    pub fn echo(&self, now: Nanos) -> (u64, u32) {
        let (sent, at) = self.echo;
        (sent, u32::try_from(now.saturating_sub(at) / 1000).unwrap_or(u32::MAX))
    }

    pub fn last_heard(&self) -> Nanos {
        self.last_heard
    }

    pub fn round_trip(&self) -> Option<Nanos> {
        self.round_trip
    }

    fn fall(&mut self, to: State, cause: DownCause) -> Option<Change> {
        let was_up = self.is_up();
        self.state = to;
        self.echo = (0, 0);
        was_up.then_some(Change::Down(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Nanos = 30;

    fn incarnation(number: u64) -> Incarnation {
        Incarnation::from_random(number)
    }

    fn hello(hears: Option<u64>, going: bool) -> Hello {
        let hears = hears.map(incarnation);
        Hello { sequence: 0, interval_us: 0, hears, going, sent: 5, echo: 0, held_us: 0, receives: 0 }
    }

    fn in_state(state: State) -> Liveness {
        Liveness { state, last_heard: 100, ..Liveness::new(incarnation(1), PATIENCE) }
    }

    const fn one_way(incarnation: Incarnation) -> State {
        State::OneWay { incarnation }
    }

    const fn up(incarnation: Incarnation) -> State {
        State::Up { incarnation }
    }

    /// Every event in every state: what it becomes, and what is said.
    #[test]
    fn the_whole_table() {
        use Change::{Down, Up};
        use DownCause::{Going, Refused, Restarted, Silent, Unheard};
        let (two, three) = (incarnation(2), incarnation(3));
        let states = [State::Silent, one_way(two), up(two)];
        type Event = fn(&mut Liveness) -> Option<Change>;
        type Outcome = (State, Option<Change>);
        let table: [(&str, Event, [Outcome; 3]); 8] = [
            (
                "message",
                |it| it.on_message(incarnation(2), 110),
                [(one_way(two), None), (one_way(two), None), (up(two), None)],
            ),
            (
                "message of another",
                |it| it.on_message(incarnation(3), 110),
                [(one_way(three), None), (one_way(three), None), (one_way(three), Some(Down(Restarted)))],
            ),
            (
                "heard",
                |it| it.on_hello(&hello(Some(1), false), 110),
                [(State::Silent, None), (up(two), Some(Up)), (up(two), None)],
            ),
            (
                "another heard",
                |it| it.on_hello(&hello(Some(9), false), 110),
                [(State::Silent, None), (one_way(two), None), (one_way(two), Some(Down(Unheard)))],
            ),
            (
                "going",
                |it| it.on_hello(&hello(Some(1), true), 110),
                [(State::Silent, None), (State::Silent, None), (State::Silent, Some(Down(Going)))],
            ),
            (
                "refused",
                Liveness::on_refused,
                [(State::Silent, None), (State::Silent, None), (State::Silent, Some(Down(Refused)))],
            ),
            ("early tick", |it| it.on_tick(129), [(State::Silent, None), (one_way(two), None), (up(two), None)]),
            (
                "late tick",
                |it| it.on_tick(130),
                [(State::Silent, None), (State::Silent, None), (State::Silent, Some(Down(Silent)))],
            ),
        ];
        for (name, event, expected) in table {
            for (state, (after, said)) in states.into_iter().zip(expected) {
                let mut liveness = in_state(state);
                assert_eq!((event(&mut liveness), liveness.state), (said, after), "{name} in {state:?}");
            }
        }
    }

    #[test]
    fn the_round_trip_leaves_out_the_time_that_the_peer_held_it() {
        let mut liveness = in_state(up(incarnation(2)));
        let answer = Hello { echo: 1_000_000, held_us: 700, ..hello(Some(1), false) };
        liveness.on_hello(&answer, 2_000_000);
        assert_eq!(liveness.round_trip(), Some(300_000));
        assert_eq!(liveness.echo(2_005_000), (5, 5));
    }
}
