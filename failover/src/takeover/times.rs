use std::fmt;
use std::time::Duration;

use super::SLOW_AFTER;
use crate::Moment;

/// The steps of rule 6, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Login,
    UnitAttentions,
    Reset,
    Reservations,
    /// The rest of the quorum round that began with the login's answer; mostly over by now.
    Confirmation,
    Replay,
    Admitted,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::Login,
        Self::UnitAttentions,
        Self::Reset,
        Self::Reservations,
        Self::Confirmation,
        Self::Replay,
        Self::Admitted,
    ];

    /// As receipts, logs and the API name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::UnitAttentions => "unit attentions",
            Self::Reset => "reset",
            Self::Reservations => "reservations",
            Self::Confirmation => "confirmation",
            Self::Replay => "replay",
            Self::Admitted => "admitted",
        }
    }
}

/// When a phase began, and when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: Moment,
    /// None: it goes on.
    pub end: Option<Moment>,
}

/// The phases of one takeover, for the receipt of the failover: up to the first admission. LUNs that come later do not
/// change them; a session that is lost afterwards begins a new takeover. A phase that had nothing to do took no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    began: Moment,
    restarts: u32,
    spans: [Option<Span>; Phase::ALL.len()],
    current: Option<Watch>,
}

/// The phase that is being gone through, in the receipt or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watch {
    phase: Phase,
    since: Moment,
    report_at: Moment,
}

impl Times {
    pub(super) fn new(now: Moment) -> Self {
        Self { began: now, restarts: 0, spans: Default::default(), current: None }
    }

    /// When the vHBA was assigned; or, after it had been admitted, when the session or the lease was lost.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// How often the way began again, because a session was lost, or the lease. The spans are those of the last time.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// None: not reached.
    pub fn span(&self, phase: Phase) -> Option<Span> {
        self.spans[phase as usize]
    }

    /// The same phase again goes on.
    pub(super) fn enter(&mut self, phase: Phase, now: Moment) {
        if self.current.is_some_and(|it| it.phase == phase) {
            return;
        }
        let recording = self.span(Phase::Admitted).is_none();
        if recording {
            self.end_current(now);
            self.spans[phase as usize] = Some(Span { start: now, end: None });
        }
        self.current = Some(Watch { phase, since: now, report_at: now + SLOW_AFTER });
    }

    /// The session is lost, or the lease: what comes is another fence.
    pub(super) fn restart(&mut self, now: Moment) {
        *self = match self.span(Phase::Admitted) {
            Some(_) => Self::new(now),
            None => Self { restarts: self.restarts + 1, ..Self { began: self.began, ..Self::new(now) } },
        };
    }

    /// Nothing is gone through any more.
    pub(super) fn leave(&mut self, now: Moment) {
        self.end_current(now);
        self.current = None;
    }

    /// How long the present phase has taken, each time that it has been too long.
    pub(super) fn slow(&mut self, now: Moment) -> Option<(Phase, Duration)> {
        let watch = self.current.as_mut().filter(|it| it.phase != Phase::Admitted && now >= it.report_at)?;
        watch.report_at = now + SLOW_AFTER;
        Some((watch.phase, now.since(watch.since)))
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.current.filter(|it| it.phase != Phase::Admitted).map(|it| it.report_at)
    }

    fn end_current(&mut self, now: Moment) {
        if let Some(Watch { phase, .. }) = self.current
            && let Some(span) = &mut self.spans[phase as usize]
        {
            span.end.get_or_insert(now);
        }
    }
}

impl Span {
    /// How long the phase took, or has taken by `now`.
    pub fn duration(&self, now: Moment) -> Duration {
        self.end.unwrap_or(now).since(self.start)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
