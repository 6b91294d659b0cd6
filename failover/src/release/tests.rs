use super::*;
use crate::lease::{LEASE, grantor_wait};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn releasing(revision: u64) -> Vec<Releasing> {
    vec![Releasing { profile: name("web"), from: name("s1"), revision: Revision(revision) }]
}

fn complete(revision: u64) -> Vec<Complete> {
    vec![Complete { profile: name("web"), from: name("s1"), revision: Revision(revision) }]
}

fn carriers() -> BTreeSet<Name> {
    ["d1", "d2"].map(name).into()
}

/// Profile `web` in release from s1 at revision 50 since 10 s; d1 and d2 can carry; elected at 0, both granted at 9.9 s.
fn waiting(attached: bool) -> (Releases, Grantor) {
    let mut leases = Grantor::became_leader(LEASE, at(0));
    carriers().iter().for_each(|it| leases.on_granted(it, at(9900)));
    let mut releases = Releases::default();
    releases.on_agent(&name("s1"), attached);
    releases.sync(releasing(50), carriers(), at(10_000));
    (releases, leases)
}

fn confirm(releases: &mut Releases, revision: u64) {
    carriers().iter().for_each(|it| releases.on_applied(it, Revision(revision)));
}

#[test]
fn the_acknowledgement_is_enough() {
    let (mut releases, leases) = waiting(true);
    assert_eq!(releases.tick(&leases, at(10_001)), []);
    releases.on_acknowledged(&name("web"), &name("s1"), Revision(50));
    assert!(releases.next_deadline(&leases).unwrap() <= at(10_002));
    assert_eq!(releases.tick(&leases, at(10_002)), complete(50));
}

#[test]
fn foreign_and_late_acknowledgements_do_nothing() {
    let (mut releases, leases) = waiting(true);
    releases.on_acknowledged(&name("web"), &name("s1"), Revision(49));
    releases.on_acknowledged(&name("web"), &name("s2"), Revision(50));
    releases.on_acknowledged(&name("mail"), &name("s1"), Revision(50));
    assert_eq!(releases.tick(&leases, at(10_010)), []);
}

#[test]
fn an_absent_agent_is_not_waited_for_and_a_silent_one_only_for_its_grace() {
    for (attached, deadline) in [(false, 10_000), (true, 11_000)] {
        let (mut releases, leases) = waiting(attached);
        releases.on_applied(&name("d1"), Revision(50));
        assert_eq!(releases.tick(&leases, at(10_500)), [], "d2 has not confirmed");
        releases.on_applied(&name("d2"), Revision(51));
        assert_eq!(releases.next_deadline(&leases), Some(at(deadline)));
        assert_eq!(releases.tick(&leases, at(10_999)).is_empty(), attached);
        assert_eq!(releases.tick(&leases, at(11_000)).is_empty(), !attached);
    }
}

/// d2 was the home until it was cut off a moment ago; the adapters have another home since. It still counts.
#[test]
fn a_director_that_is_cut_off_is_waited_for_until_its_lease_has_ended() {
    let (mut releases, leases) = waiting(false);
    releases.on_applied(&name("d1"), Revision(50));
    let end = at(9900) + grantor_wait(LEASE);
    assert_eq!(releases.next_deadline(&leases), Some(end));
    assert_eq!(releases.tick(&leases, Moment::from_nanos(end.as_nanos() - 1)), []);
    assert_eq!(releases.tick(&leases, end), complete(50));
}

#[test]
fn a_lease_that_ended_stays_ended_for_this_release() {
    let (mut releases, mut leases) = waiting(false);
    let end = at(9900) + grantor_wait(LEASE);
    leases.on_granted(&name("d1"), at(11_000));
    assert_eq!(releases.tick(&leases, end), []);
    leases.on_granted(&name("d2"), end + Duration::from_millis(1));
    releases.on_applied(&name("d1"), Revision(50));
    assert_eq!(releases.tick(&leases, end + Duration::from_millis(2)), complete(50));
}

#[test]
fn confirmations_of_an_older_revision_do_not_count() {
    let (mut releases, leases) = waiting(false);
    confirm(&mut releases, 49);
    assert_eq!(releases.tick(&leases, at(10_100)), []);
    confirm(&mut releases, 50);
    confirm(&mut releases, 48);
    assert_eq!(releases.tick(&leases, at(10_100)), complete(50), "a report that comes late takes nothing back");
}

#[test]
fn a_completion_is_proposed_again_until_the_state_shows_it() {
    let (mut releases, leases) = waiting(false);
    confirm(&mut releases, 50);
    assert_eq!(releases.tick(&leases, at(10_100)), complete(50));
    assert_eq!(releases.next_deadline(&leases), Some(at(10_300)));
    assert_eq!(releases.tick(&leases, at(10_299)), []);
    releases.sync(releasing(50), carriers(), at(10_299));
    assert_eq!(releases.tick(&leases, at(10_300)), complete(50));
    releases.sync(vec![], carriers(), at(10_310));
    assert_eq!((releases.tick(&leases, at(99_999)), releases.next_deadline(&leases)), (vec![], None));
}

#[test]
fn a_change_of_the_profile_starts_the_release_again() {
    let (mut releases, leases) = waiting(true);
    releases.on_acknowledged(&name("web"), &name("s1"), Revision(50));
    confirm(&mut releases, 50);
    releases.sync(releasing(60), carriers(), at(10_010));
    assert_eq!(releases.tick(&leases, at(11_100)), []);
    releases.on_acknowledged(&name("web"), &name("s1"), Revision(60));
    assert_eq!(releases.tick(&leases, at(11_101)), complete(60));
}

#[test]
fn who_is_in_the_way_for_too_long_gets_no_lease() {
    let (mut releases, _) = waiting(true);
    releases.on_applied(&name("d1"), Revision(50));
    assert!(!releases.withholds_from(&name("d2"), at(10_999)));
    assert!(releases.withholds_from(&name("d2"), at(11_000)) && !releases.withholds_from(&name("d1"), at(11_000)));
    releases.on_applied(&name("d2"), Revision(50));
    assert!(!releases.withholds_from(&name("d2"), at(11_000)));
}

#[test]
fn a_director_that_was_removed_is_not_waited_for() {
    let (mut releases, leases) = waiting(false);
    releases.on_applied(&name("d1"), Revision(50));
    releases.sync(releasing(50), [name("d1")].into(), at(10_200));
    releases.on_applied(&name("d2"), Revision(50));
    assert_eq!(releases.tick(&leases, at(10_200)), complete(50));
}
