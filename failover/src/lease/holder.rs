use std::collections::BTreeMap;
use std::time::Duration;

use twinrail_proto::domain::Revision;

use crate::Moment;

/// Most requests that wait for their grant. Two leases' worth of renewals: an older one could not lengthen the lease any
/// more. When there are more, the oldest is forgotten and its grant, should it come, is refused as unknown.
pub const MAX_OUTSTANDING: usize = 32;

/// A director's side of its lease.
///
/// ```text
///              first grant                     grant
///   Stopped ───────────────▶ CatchingUp ─────┐ ┌──┐
///      ▲   ▲                     │ applied   ▼ ▼  │
///      │   └─────────────────────┼─────── Carrying ┘
///      │      time is up         │           (lease runs, and everything is applied that was
///      └─────────────────────────┘            committed when it began to run)
///             time is up
/// ```
#[derive(Clone, Debug, Hash)]
pub struct Holder {
    lease: Duration,
    next_sequence: u64,
    /// When each request that is still unanswered was sent.
    outstanding: BTreeMap<u64, Moment>,
    carry_until: Option<Moment>,
    /// What must be applied before this lease may be used.
    required: Revision,
    applied: Revision,
}

/// Asks the leader for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    #[error("the grant answers request {0}, which was never sent, was answered before, or is forgotten")]
    Unknown(u64),
    #[error("the grant answers request {sequence}, sent {age:?} ago: longer than the lease that it gives")]
    TooLate { sequence: u64, age: Duration },
}

impl Holder {
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            next_sequence: 1,
            outstanding: BTreeMap::new(),
            carry_until: None,
            required: Revision(0),
            applied: Revision(0),
        }
    }

    /// A request to send *now*: the lease that its grant gives counts from this moment.
    pub fn on_request(&mut self, now: Moment) -> Request {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.outstanding.insert(sequence, now);
        if self.outstanding.len() > MAX_OUTSTANDING {
            self.outstanding.pop_first();
        }
        Request { sequence }
    }

    /// The leader granted a request. `commit` is the index that the leader's quorum round confirmed as committed.
    /// Returns until when this director may carry, once it has caught up.
    pub fn on_grant(&mut self, sequence: u64, commit: Revision, now: Moment) -> Result<Moment, GrantError> {
        let sent = self.outstanding.remove(&sequence).ok_or(GrantError::Unknown(sequence))?;
        let until = sent + self.lease;
        if until <= now {
            return Err(GrantError::TooLate { sequence, age: now.since(sent) });
        }
        if !self.is_running(now) {
            self.required = self.required.max(commit);
        }
        let until = self.carry_until.map_or(until, |before| before.max(until));
        self.carry_until = Some(until);
        Ok(until)
    }

    /// This director's tables show everything up to `revision`.
    pub fn on_applied(&mut self, revision: Revision) {
        self.applied = self.applied.max(revision);
    }

    pub fn may_carry(&self, now: Moment) -> bool {
        self.carry_until_if_caught_up().is_some_and(|until| now < until)
    }

    /// What the datapath's deadline is to be set to. None: nothing may be carried, whatever the time.
    pub fn carry_until_if_caught_up(&self) -> Option<Moment> {
        self.carry_until.filter(|_| self.applied >= self.required)
    }

    /// When carrying ends unless another grant comes.
    pub fn next_deadline(&self, now: Moment) -> Option<Moment> {
        self.carry_until.filter(|&until| now < until)
    }

    fn is_running(&self, now: Moment) -> bool {
        self.carry_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LEASE;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// A holder in each of its three states at 1000 ms, with request 2 sent at 900 ms and not answered.
    fn holders() -> [(&'static str, Holder); 3] {
        let make = |granted: bool, applied: u64| {
            let mut holder = Holder::new(LEASE);
            let first = holder.on_request(at(500)).sequence;
            if granted {
                holder.on_grant(first, Revision(7), at(600)).unwrap();
            }
            holder.on_applied(Revision(applied));
            holder.on_request(at(900));
            holder
        };
        [("stopped", make(false, 3)), ("catching up", make(true, 3)), ("carrying", make(true, 7))]
    }

    #[test]
    fn every_state_meets_every_event() {
        type Step = fn(&mut Holder) -> Moment;
        let steps: [(&str, Step, [bool; 3]); 5] = [
            ("nothing", |_| at(1000), [false, false, true]),
            ("a grant that is caught up with", |it| grant(it, 2, 3, at(1000)), [true, false, true]),
            ("a grant ahead of us", |it| grant(it, 2, 9, at(1000)), [false, false, true]),
            ("applied", |it| applied(it, 7), [false, true, true]),
            ("time is up", |_| at(2000), [false, false, false]),
        ];
        for (name, step, expected) in steps {
            for ((state, mut holder), expected) in holders().into_iter().zip(expected) {
                let now = step(&mut holder);
                assert_eq!(holder.may_carry(now), expected, "{state}: {name}");
            }
        }
    }

    fn grant(holder: &mut Holder, sequence: u64, commit: u64, now: Moment) -> Moment {
        holder.on_grant(sequence, Revision(commit), now).unwrap();
        now
    }

    fn applied(holder: &mut Holder, revision: u64) -> Moment {
        holder.on_applied(Revision(revision));
        at(1000)
    }

    #[test]
    fn the_lease_counts_from_the_request_and_never_shrinks() {
        let mut holder = Holder::new(LEASE);
        let (old, new) = (holder.on_request(at(0)), holder.on_request(at(100)));
        assert_eq!(holder.on_grant(new.sequence, Revision(0), at(1400)), Ok(at(1600)));
        assert_eq!(holder.on_grant(old.sequence, Revision(0), at(1450)), Ok(at(1600)));
        assert!(holder.may_carry(Moment::from_nanos(1_599_999_999)) && !holder.may_carry(at(1600)));
    }

    #[test]
    fn late_repeated_and_foreign_grants_are_refused() {
        let mut holder = Holder::new(LEASE);
        let request = holder.on_request(at(0));
        assert_eq!(holder.on_grant(9, Revision(0), at(1)), Err(GrantError::Unknown(9)));
        let late = GrantError::TooLate { sequence: 1, age: LEASE };
        assert_eq!(holder.on_grant(request.sequence, Revision(0), at(1500)), Err(late));
        assert_eq!(holder.on_grant(request.sequence, Revision(0), at(1500)), Err(GrantError::Unknown(1)));
        assert!(!holder.may_carry(at(1)));
    }

    #[test]
    fn a_lapse_asks_for_catching_up_and_a_renewal_does_not() {
        let mut holder = Holder::new(LEASE);
        holder.on_request(at(0));
        grant(&mut holder, 1, 0, at(1));
        holder.on_request(at(1000));
        grant(&mut holder, 2, 50, at(1001));
        assert!(holder.may_carry(at(2499)), "a renewal in time does not stop a director that lags a little");
        holder.on_request(at(2500));
        grant(&mut holder, 3, 60, at(2501));
        assert!(!holder.may_carry(at(2502)), "it was away: what it knows may be old");
        holder.on_applied(Revision(60));
        assert!(holder.may_carry(at(2502)));
    }

    #[test]
    fn the_oldest_of_too_many_requests_is_forgotten() {
        let mut holder = Holder::new(LEASE);
        for _ in 0..=MAX_OUTSTANDING {
            holder.on_request(at(0));
        }
        assert_eq!(holder.on_grant(1, Revision(0), at(1)), Err(GrantError::Unknown(1)));
        assert!(holder.on_grant(2, Revision(0), at(1)).is_ok());
    }
}
