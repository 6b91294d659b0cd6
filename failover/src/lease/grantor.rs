use std::collections::BTreeMap;
use std::time::Duration;

use twinrail_proto::domain::Name;

use super::grantor_wait;
use crate::Moment;

/// The leader's side of all leases. One exists only while its director leads: it is made on election and dropped when the
/// leadership goes, so that nothing said by an old leader survives into its next term.
#[derive(Clone, Debug, Hash)]
pub struct Grantor {
    wait: Duration,
    /// Leases given by earlier leaders count as given at this moment.
    elected: Moment,
    /// The last grant to each director. One entry a director that ever asked in this term; [`Self::forget`] ends it.
    granted: BTreeMap<Name, Moment>,
}

impl Grantor {
    /// This director leads since `now`: the moment when it learned that a quorum voted for it.
    pub fn became_leader(lease: Duration, now: Moment) -> Self {
        Self { wait: grantor_wait(lease), elected: now, granted: BTreeMap::new() }
    }

    /// A grant goes out. Call it *before* it is sent and after the quorum round.
    pub fn on_granted(&mut self, director: &Name, now: Moment) {
        let last = self.granted.entry(director.clone()).or_insert(now);
        *last = now.max(*last);
    }

    /// A director that was removed from the cluster; grants to it must have stopped. Ignored before its lease has
    /// certainly ended, so that forgetting never makes an answer come sooner.
    pub fn forget(&mut self, director: &Name, now: Moment) {
        if self.certainly_ended(director, now).is_ok() {
            self.granted.remove(director);
        }
    }

    /// Whether this director cannot be carrying any more; if it may be, for how long it is still to be waited for.
    pub fn certainly_ended(&self, director: &Name, now: Moment) -> Result<(), Duration> {
        let end = self.ends_at(director);
        if now >= end { Ok(()) } else { Err(end.since(now)) }
    }

    /// When this director's lease will certainly have ended, unless it is granted again.
    pub fn ends_at(&self, director: &Name) -> Moment {
        let last = self.granted.get(director).copied().unwrap_or(self.elected);
        last.max(self.elected) + self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LEASE;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_new_leader_waits_for_the_grants_of_the_one_before() {
        let grantor = Grantor::became_leader(LEASE, Moment::from_millis(1000));
        let wait = grantor_wait(LEASE);
        assert_eq!(grantor.certainly_ended(&name("d1"), Moment::from_millis(1000)), Err(wait));
        assert_eq!(grantor.certainly_ended(&name("d1"), Moment::from_millis(2650)), Err(Duration::from_nanos(1)));
        assert_eq!(grantor.certainly_ended(&name("d1"), Moment::from_millis(1000) + wait), Ok(()));
    }

    #[test]
    fn each_grant_starts_the_wait_again_for_its_director_alone() {
        let mut grantor = Grantor::became_leader(LEASE, Moment::from_millis(0));
        grantor.on_granted(&name("d1"), Moment::from_millis(1000));
        grantor.on_granted(&name("d1"), Moment::from_millis(900));
        let now = Moment::from_millis(0) + grantor_wait(LEASE);
        assert_eq!(grantor.certainly_ended(&name("d2"), now), Ok(()));
        assert_eq!(grantor.certainly_ended(&name("d1"), now), Err(Duration::from_millis(1000)));
        grantor.forget(&name("d1"), now);
        assert_eq!(grantor.ends_at(&name("d1")), now + Duration::from_millis(1000), "too early to forget");
    }

    #[test]
    fn the_wait_covers_the_margin() {
        assert!(grantor_wait(LEASE) > LEASE * 11 / 10);
    }
}
