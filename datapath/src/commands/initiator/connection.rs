use twinrail_proto::domain::{DirectorId, Epoch, Rail};

use crate::commands::LinkId;
use crate::rail::Nanos;

/// Who carries the adapter, as the control plane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    pub director: DirectorId,
    pub epoch: Epoch,
}

/// A home that has admitted the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub home: Home,
    pub rail: Rail,
    /// Another one: it was attached anew.
    pub link: LinkId,
}

/// Between two tries that failed at the same home: shorter than anything a person notices, long enough for a fence not to
/// be slowed down by being asked.
pub const RETRY: Nanos = 20_000_000;

/// A home that has said nothing to a connection for so long is tried by the other path.
pub const ATTACH_TIMEOUT: Nanos = 500_000_000;

/// The connection to the home: at most one at a time.
///
/// ```text
///            home known, a path up, pause over
///   idle ─────────────────────────────────────▶ connecting ── connected ──▶ attaching ── Attached ──▶ attached
///    ▲  pause                                        │ closed, timeout,         │                        │
///    └───────────────────────────────────────────────┴─ refused, path down, ────┴── new home ────────────┘
/// ```
#[derive(Debug)]
pub struct Connection {
    home: Option<Home>,
    /// The highest that was ever heard of, and whose it is: an epoch never changes hands.
    epoch: Epoch,
    carrier: Option<DirectorId>,
    /// By which instance of the home of this epoch it was admitted last.
    instance: Option<u64>,
    up: [bool; 2],
    prefer: Rail,
    failures: u32,
    state: State,
    links: u64,
    attempts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { until: Nanos },
    Connecting { link: LinkId, rail: Rail, since: Nanos },
    Attaching { link: LinkId, rail: Rail, since: Nanos },
    Attached { link: LinkId, rail: Rail },
}

/// What to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    pub link: LinkId,
    pub director: DirectorId,
    pub rail: Rail,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            home: None,
            epoch: Epoch(0),
            carrier: None,
            instance: None,
            up: [true; 2],
            prefer: Rail::A,
            failures: 0,
            state: State::Idle { until: 0 },
            links: 0,
            attempts: 0,
        }
    }
}

impl Connection {
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Takes a home over. Returns whether its epoch is new; None: it says nothing new, is older than what is known, or
    /// claims an epoch that is another's.
    pub fn set_home(&mut self, home: Option<Home>) -> Option<bool> {
        let known = (self.epoch, self.carrier);
        let stale = |it: Home| it.epoch < known.0 || it.epoch == known.0 && known.1 != Some(it.director);
        if home == self.home || home.is_some_and(stale) {
            return None;
        }
        self.home = home;
        (self.prefer, self.failures) = (Rail::A, 0);
        if let Some(home) = home {
            (self.epoch, self.carrier) = (home.epoch, Some(home.director));
        }
        let new_epoch = self.epoch > known.0;
        if new_epoch {
            self.instance = None;
        }
        Some(new_epoch)
    }

    /// Returns the link that has to be given up, as its path went down.
    pub fn set_path(&mut self, rail: Rail, up: bool) -> Option<LinkId> {
        self.up[rail.index()] = up;
        self.link().filter(|_| !up && self.rail() == Some(rail))
    }

    pub fn link(&self) -> Option<LinkId> {
        match self.state {
            State::Idle { .. } => None,
            State::Connecting { link, .. } | State::Attaching { link, .. } | State::Attached { link, .. } => Some(link),
        }
    }

    pub fn rail(&self) -> Option<Rail> {
        match self.state {
            State::Idle { .. } => None,
            State::Connecting { rail, .. } | State::Attaching { rail, .. } | State::Attached { rail, .. } => Some(rail),
        }
    }

    pub fn attached(&self) -> Option<LinkId> {
        match self.state {
            State::Attached { link, .. } => Some(link),
            _ => None,
        }
    }

    pub fn attachment(&self) -> Option<Attachment> {
        match (self.state, self.home) {
            (State::Attached { link, rail }, Some(home)) => Some(Attachment { home, rail, link }),
            _ => None,
        }
    }

    /// The link is open: returns the number of the attempt to attach by it.
    pub fn connected(&mut self, opened: LinkId, now: Nanos) -> Option<u64> {
        let State::Connecting { link, rail, .. } = self.state else { return None };
        if link != opened {
            return None;
        }
        self.attempts += 1;
        self.state = State::Attaching { link, rail, since: now };
        Some(self.attempts)
    }

    /// The home has admitted this attempt; false: that is none of ours.
    pub fn attach(&mut self, attempt: u64) -> bool {
        let State::Attaching { link, rail, .. } = self.state else { return false };
        if attempt != self.attempts {
            return false;
        }
        self.failures = 0;
        self.state = State::Attached { link, rail };
        true
    }

    /// The home that has admitted the agent is this instance. Returns whether it was another one before, in the same epoch:
    /// this one remembers nothing of what that one was sent.
    pub fn meets_another(&mut self, instance: u64) -> bool {
        self.instance.replace(instance).is_some_and(|it| it != instance)
    }

    /// The link is gone: the other path is tried next, and after both a pause is made.
    pub fn lost(&mut self, now: Nanos) {
        let Some(rail) = self.rail() else { return };
        self.failures += 1;
        self.prefer = other(rail);
        let pause = if self.failures.is_multiple_of(2) { RETRY } else { 0 };
        self.state = State::Idle { until: now + pause };
    }

    /// The home does not want the agent now. By the other path it would say the same.
    pub fn refused(&mut self, now: Nanos) {
        self.state = State::Idle { until: now + RETRY };
    }

    /// The home is another one: whatever there was is given up.
    pub fn reset(&mut self) {
        self.state = State::Idle { until: 0 };
    }

    /// A link that has waited for too long.
    pub fn overdue(&self, now: Nanos) -> Option<LinkId> {
        match self.state {
            State::Connecting { link, since, .. } | State::Attaching { link, since, .. } => {
                (now >= since + ATTACH_TIMEOUT).then_some(link)
            }
            _ => None,
        }
    }

    /// What is to be opened now, if anything.
    pub fn open(&mut self, now: Nanos) -> Option<Opening> {
        let State::Idle { until } = self.state else { return None };
        let (home, rail) = (self.home?, self.usable_rail()?);
        if now < until {
            return None;
        }
        self.links += 1;
        let link = LinkId(self.links);
        self.state = State::Connecting { link, rail, since: now };
        Some(Opening { link, director: home.director, rail })
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        match self.state {
            State::Idle { until } => (self.home.is_some() && self.usable_rail().is_some()).then_some(until),
            State::Connecting { since, .. } | State::Attaching { since, .. } => Some(since + ATTACH_TIMEOUT),
            State::Attached { .. } => None,
        }
    }

    fn usable_rail(&self) -> Option<Rail> {
        [self.prefer, other(self.prefer)].into_iter().find(|it| self.up[it.index()])
    }
}

fn other(rail: Rail) -> Rail {
    match rail {
        Rail::A => Rail::B,
        Rail::B => Rail::A,
    }
}
