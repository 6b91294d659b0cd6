//! When this director should stand for election: at once when the leader is lost, one survivor after the other.
//!
//! ```text
//!            leader lost               rank × STAGGER later: StandForElection
//!   Idle ───────────────────▶ Waiting ─────────────────────────────────────────▶ Stood ──┐
//!     ▲                          │                                               │  ▲    │ a round later:
//!     └──────────────────────────┴───────────────────────────────────────────────┘  └────┘ StandForElection
//!       the leader is heard again, another one leads, or no majority is left
//!
//!   leads itself ──deposed, and the leader before it is still lost──▶ Stood: its next turn comes after a round
//! ```
//!
//! Raft elects a leader by itself after its election timeout, which must be long because disks stall. The detector knows
//! sooner, from both rails, so the survivors do not wait for the timeout. They stand in the order of their ranks:
//!
//! | rank | who |
//! |---|---|
//! | first | active directors, by id |
//! | then | spares, by id |
//! | last | witnesses: they vote, and lead only when nobody else does |
//!
//! Guarantees: two directors that see the same survivors do not stand at the same time; a director that cannot win (no
//! majority is heard of, or it is no voter) does not disturb the others; one whose candidate fails (its log may
//! be too short) is followed by the next within [`STAGGER`]. Safety is Raft's alone: this only chooses the moment.

use std::time::Duration;

use twinrail_proto::domain::{DirectorId, DirectorRole, Name};

use crate::{Moment, Standing};

/// How long each survivor lets those before it try. An election is two round trips and one durable write of the vote:
/// a few milliseconds, but disks stall for up to 50 now and then.
pub const STAGGER: Duration = Duration::from_millis(60);

/// How long after the last survivor's turn the first one tries again. By then Raft's own timeout has had its turn too.
pub const PAUSE: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
pub struct Voter<'a> {
    pub name: &'a Name,
    pub id: DirectorId,
    pub role: DirectorRole,
    pub standing: Standing,
}

/// What the election depends on, as this director sees it.
#[derive(Clone, Debug)]
pub struct ElectionView<'a> {
    pub me: &'a Name,
    pub voters: &'a [Voter<'a>],
    /// The leader that Raft last knew of. None: Raft is looking for one by itself.
    pub leader: Option<&'a Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandForElection;

#[derive(Debug, Default)]
pub struct Election {
    armed: Option<Armed>,
    /// It led at the last step. One that is deposed gives whoever deposed it a round, and then stands again: that one's log may
    /// be too short to win, and its candidacies keep Raft's own timeout from passing.
    led: bool,
}

/// Whom an election is about: the leader that Raft knew last beside this director itself, while Raft knows of none.
#[derive(Debug, Default)]
pub struct LastLeader(Option<Name>);

impl LastLeader {
    /// `leader`: whom Raft knows to lead now.
    pub fn of<'a>(&'a mut self, me: &Name, leader: Option<&'a Name>) -> Option<&'a Name> {
        if let Some(other) = leader.filter(|it| *it != me) {
            self.0 = Some(other.clone());
        }
        leader.or(self.0.as_ref())
    }
}

/// Another director that this one has given its vote to, and that may lead by now: not the one that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidacy {
    pub term: u64,
    pub candidate: DirectorId,
}

/// Leaves out a turn, once for each candidacy, when the vote is given: whoever has it may have won by now, and would be deposed at
/// once. A disk that stalls while it keeps the vote keeps a director from its turn for longer than the others wait.
#[derive(Debug, Default)]
pub struct Courtesy(Option<Candidacy>);

impl Courtesy {
    /// `given`: as Raft knows it when the turn has come, not when it was due.
    pub fn leaves_out(&mut self, given: Option<Candidacy>) -> bool {
        given.is_some() && std::mem::replace(&mut self.0, given) != given
    }
}

#[derive(Debug)]
struct Armed {
    leader: Name,
    /// When the loss was noticed, or when this director last stood.
    since: Moment,
    stood: bool,
    deadline: Moment,
}

impl Election {
    /// Looks at the world again: call it when a standing or the leader changes, and at the deadline.
    pub fn step(&mut self, view: &ElectionView, now: Moment) -> Option<StandForElection> {
        let (Some(leader), Some(turn)) = (lost_leader(view), Turn::of(view)) else {
            *self = Self { armed: None, led: view.leader == Some(view.me) };
            return None;
        };
        let led = std::mem::take(&mut self.led);
        let same = self.armed.take_if(|it| it.leader == *leader);
        let mut armed = same.unwrap_or_else(|| Armed { leader: leader.clone(), since: now, stood: led, deadline: now });
        armed.deadline = armed.since + turn.delay(armed.stood);
        let due = now >= armed.deadline;
        if due {
            armed = Armed { since: now, stood: true, deadline: now + turn.delay(true), ..armed };
        }
        self.armed = Some(armed);
        due.then_some(StandForElection)
    }

    /// When `step` should be called next, if nothing changes before.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.armed.as_ref().map(|it| it.deadline)
    }
}

fn lost_leader<'a>(view: &ElectionView<'a>) -> Option<&'a Name> {
    let leader = view.leader.filter(|it| *it != view.me)?;
    let heard = view.voters.iter().any(|it| it.name == leader && it.standing != Standing::Lost);
    (!heard).then_some(leader)
}

/// This director's place among the survivors.
struct Turn {
    rank: u32,
    survivors: u32,
}

impl Turn {
    /// None: it is no voter, or the survivors are no majority.
    fn of(view: &ElectionView) -> Option<Self> {
        let is_live = |it: &&Voter| it.name == view.me || it.standing != Standing::Lost;
        let mut live: Vec<&Voter> = view.voters.iter().filter(is_live).collect();
        if live.len() * 2 <= view.voters.len() {
            return None;
        }
        live.sort_by_key(|it| (order(it.role), it.id));
        let rank = live.iter().position(|it| it.name == view.me)?;
        Some(Self { rank: rank as u32, survivors: live.len() as u32 })
    }

    fn delay(&self, stood: bool) -> Duration {
        if stood { STAGGER * self.survivors + PAUSE } else { STAGGER * self.rank }
    }
}

fn order(role: DirectorRole) -> u8 {
    match role {
        DirectorRole::Active => 0,
        DirectorRole::Spare => 1,
        DirectorRole::Witness => 2,
    }
}

#[cfg(test)]
mod tests;
