//! The lease by itself: why the other models may take it for an event that comes in order. One holder, a leader and the one after
//! it, with the product's own [`Holder`] and [`Grantor`], on clocks of which one goes faster than another by all that is allowed.
//!
//! Time goes in ticks: 500 ms on a slow clock, 550 ms on a fast one; a lease is 1090 ms. Requests, quorum rounds and grants take as
//! long as they like; a leader that has done its round may be stuck before it sends the grant, and be none any more when it does.

use std::time::Duration;

use stateright::{Model, Property as Checked};
use twinrail_failover::Moment;
use twinrail_failover::lease::{DRIFT_MARGIN_PERCENT, Grantor, Holder};
use twinrail_proto::domain::Revision;

use super::names;
use super::properties::{Event, Property, Seen};
use super::rules::Rule;

const LEASE: Duration = Duration::from_millis(1090);
/// On a slow clock, in milliseconds.
const TICK: u64 = 500;
/// When everything begins: no clock starts from nothing.
const START: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseBounds {
    pub ticks: u64,
    pub requests: usize,
}

#[derive(Clone, Debug)]
pub struct LeaseModel {
    pub bounds: LeaseBounds,
    pub off: Option<Rule>,
    pub seen: Seen,
}

#[derive(Clone, Debug, Hash)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "states are equal when their hashes are")]
pub struct State {
    /// Of the holder, the first leader, the second.
    fast: [bool; 3],
    ticks: u64,
    holder: Holder,
    requests: Vec<Request>,
    /// The second exists when it was elected.
    grantors: [Option<Grantor>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    sequence: u64,
    leader: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// On its way to the leader, or there; no majority was asked yet.
    Asked,
    /// A majority has said that its leader leads.
    Confirmed,
    /// The grant is on its way.
    Granted,
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Tick,
    Ask { leader: usize },
    Confirm { request: usize },
    Grant { request: usize },
    Take { request: usize },
    Elect,
}

const HOLDER: usize = 0;

impl State {
    fn now(&self, clock: usize) -> Moment {
        let fast = u64::from(self.fast[clock]) * TICK * u64::from(DRIFT_MARGIN_PERCENT) / 100;
        Moment::from_millis(START + self.ticks * (TICK + fast))
    }

    /// The leader who decides.
    fn leader(&self) -> usize {
        usize::from(self.grantors[1].is_some())
    }

    fn certainly_ended(&self) -> bool {
        let leader = self.leader();
        let ended = |it: &Grantor| it.certainly_ended(names::director(0), self.now(leader + 1)).is_ok();
        self.grantors[leader].as_ref().is_some_and(ended)
    }

    fn holds(&self) -> bool {
        self.holder.may_carry(self.now(HOLDER))
    }
}

impl LeaseModel {
    pub fn new(bounds: LeaseBounds, off: Option<Rule>) -> Self {
        Self { bounds, off, seen: Seen::default() }
    }

    fn without(&self, rule: Rule) -> bool {
        self.off == Some(rule)
    }

    fn grantor(&self, now: Moment) -> Grantor {
        let margin = if self.without(Rule::DriftMargin) { 100 + DRIFT_MARGIN_PERCENT } else { 100 };
        Grantor::became_leader(LEASE * 100 / margin, now)
    }

    /// Whether a majority says that this leader leads, if it is asked now.
    fn leads(&self, state: &State, leader: usize) -> bool {
        let leads = leader == state.leader();
        if !leads {
            self.seen.note(Event::OldLeader);
        }
        leads || self.without(Rule::QuorumRound)
    }

    fn grant(&self, state: &mut State, request: usize) {
        let leader = state.requests[request].leader;
        let now = state.now(leader + 1);
        if let Some(grantor) = &mut state.grantors[leader] {
            grantor.on_granted(names::director(0), now);
        }
        state.requests[request].stage = Stage::Granted;
    }

    fn take(&self, state: &mut State, request: usize) {
        let now = state.now(HOLDER);
        let mut sequence = state.requests[request].sequence;
        if self.without(Rule::LeaseFromAsking) {
            sequence = state.holder.on_request(now).sequence;
        }
        if state.holder.on_grant(sequence, Revision(0), now).is_err() {
            self.seen.note(Event::LateGrant);
        }
        state.requests[request].stage = Stage::Answered;
    }

    fn elect(&self, state: &mut State) {
        let now = if self.without(Rule::ElectionWait) { Moment::default() } else { state.now(2) };
        state.grantors[1] = Some(self.grantor(now));
    }
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let clocks = [[false, true, true], [true, false, false], [false, false, true], [false, true, false]];
        clocks.map(|fast| self.beginning(fast)).into()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.ticks < self.bounds.ticks {
            actions.push(Action::Tick);
        }
        if state.requests.len() < self.bounds.requests {
            actions.extend((0..2).filter(|it| state.grantors[*it].is_some()).map(|leader| Action::Ask { leader }));
        }
        for (request, it) in state.requests.iter().enumerate() {
            actions.extend(match it.stage {
                Stage::Asked => Some(Action::Confirm { request }),
                Stage::Confirmed => Some(Action::Grant { request }),
                Stage::Granted => Some(Action::Take { request }),
                Stage::Answered => None,
            });
        }
        if state.grantors[1].is_none() {
            actions.push(Action::Elect);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Tick => state.ticks += 1,
            Action::Ask { leader } => {
                let now = state.now(HOLDER);
                let sequence = state.holder.on_request(now).sequence;
                state.requests.push(Request { sequence, leader, stage: Stage::Asked });
            }
            Action::Confirm { request } if self.leads(&state, state.requests[request].leader) => {
                state.requests[request].stage = Stage::Confirmed;
            }
            Action::Confirm { .. } => return None,
            Action::Grant { request } => self.grant(&mut state, request),
            Action::Take { request } => self.take(&mut state, request),
            Action::Elect => self.elect(&mut state),
        }
        if state.certainly_ended() && !before.certainly_ended() {
            self.seen.note(Event::LeaseEnded);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        let over = |_: &Self, it: &State| !(it.certainly_ended() && it.holds());
        vec![Checked::always(Property::LeaseOver.name(), over)]
    }
}

impl LeaseModel {
    fn beginning(&self, fast: [bool; 3]) -> State {
        let mut state =
            State { fast, ticks: 0, holder: Holder::new(LEASE), requests: Vec::new(), grantors: [None, None] };
        state.grantors[0] = Some(self.grantor(state.now(1)));
        state
    }
}

/// As the checker compares them, which knows states by their hashes.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        super::failover::same(self, other)
    }
}

/// One line of a story.
pub fn tell(state: &State, action: Action) -> String {
    let leader = |it: usize| if it == 0 { "the first leader" } else { "the second leader" };
    let of = |request: usize| state.requests[request].leader;
    match action {
        Action::Tick => {
            let speed = |clock: usize| if state.fast[clock] { "550" } else { "500" };
            format!("time passes: {} ms for the holder, {} and {} ms for the leaders", speed(0), speed(1), speed(2))
        }
        Action::Ask { leader: it } => format!("the holder asks {} for a lease", leader(it)),
        Action::Confirm { request } => {
            format!("a majority tells {} that it leads, for request {}", leader(of(request)), request + 1)
        }
        Action::Grant { request } => format!("{} sends the grant of request {}", leader(of(request)), request + 1),
        Action::Take { request } => format!("the grant of request {} arrives", request + 1),
        Action::Elect => "the second leader is elected".to_owned(),
    }
}
