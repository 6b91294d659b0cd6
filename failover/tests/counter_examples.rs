//! The deciding code in those stories that its model tells when a rule is switched off (`chaos-tests/src/model`): each attempt, step by step,
//! with the rule in force.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_failover::Moment;
use twinrail_failover::agent::{
    Agent, AssignedAdapter, AssignedProfile, Assignment, Effect, Memory, Phase, Refusal, Route,
};
use twinrail_failover::lease::{DRIFT_MARGIN_PERCENT, Grantor, Holder, LEASE};
use twinrail_failover::release::{Releases, Releasing};
use twinrail_failover::takeover::{self, Event, FencedBy, Heard, Identity, LoginNumber, Lun, ResetAnswer, Takeover};
use twinrail_proto::domain::{AdapterId, Epoch, Name, Revision, Wwn};

const LUN: Lun = Lun([0, 1, 0, 0, 0, 0, 0, 0]);
const ADAPTER: AdapterId = AdapterId(1);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

/// A vHBA at its home: what is told at once, and what comes of it.
struct Home(Takeover);

impl Home {
    /// Logged in, its LUN tested: in the reset.
    fn in_reset() -> Self {
        let mut home = Self(Takeover::default());
        let identity = Identity { wwpn: Wwn::new(0x5001_4380_0000_0001).unwrap(), session: [1; 6] };
        let (fenced_by, registrations) = (FencedBy::LunReset, BTreeMap::new());
        home.tell(Event::LeaseLive);
        home.tell(Event::Assigned(takeover::Assignment { epoch: Epoch(1), identity, fenced_by, registrations }));
        home.fence_until_reset(1);
        home
    }

    fn tell(&mut self, event: Event) -> Vec<takeover::Effect> {
        self.0.on_event(event, at(0))
    }

    fn hear(&mut self, login: u64, heard: Heard) -> Vec<takeover::Effect> {
        self.tell(Event::Session { login: LoginNumber(login), heard })
    }

    /// The number of the question that the login's answer asks.
    fn fence_until_reset(&mut self, login: u64) -> u64 {
        let asked = self.hear(login, Heard::LoggedIn);
        self.hear(login, Heard::LunsReported(BTreeSet::from([LUN])));
        assert_eq!(self.hear(login, Heard::Ready(LUN)), [takeover::Effect::ResetLun(LUN)]);
        question(&asked)
    }

    fn reset_done(&mut self, login: u64) -> Vec<takeover::Effect> {
        self.hear(login, Heard::Reset { lun: LUN, answer: ResetAnswer::Complete });
        self.hear(login, Heard::Ready(LUN))
    }
}

fn question(effects: &[takeover::Effect]) -> u64 {
    let number =
        |it: &takeover::Effect| if let takeover::Effect::Confirm { number } = it { Some(*number) } else { None };
    effects.iter().find_map(number).expect("something is asked")
}

fn replay() -> takeover::Effect {
    takeover::Effect::Replay(BTreeSet::from([LUN]))
}

/// `reset-answer`: the array has LUN RESET, and executes a write of the former home after it.
#[test]
fn a_reset_that_has_no_answer_admits_nothing() {
    let mut home = Home::in_reset();
    assert_eq!(home.tell(Event::Confirmed { number: 1 }), []);
    let waited = home.0.on_event(Event::Tick, at(60_000));
    let reported = home.hear(1, Heard::ResetUnanswered(LUN));
    assert!(waited.iter().chain(&reported).all(|it| matches!(it, takeover::Effect::Report(_))));
    assert_eq!(home.reset_done(1), [replay()]);
}

/// `confirmation` and `confirmation-after-login`: the home changes while the session is broken; the login of the former home comes late.
#[test]
fn a_round_from_before_the_login_confirms_nothing() {
    let mut home = Home::in_reset();
    let before = question(&home.hear(1, Heard::Lost));
    home.tell(Event::Confirmed { number: before });
    let again = home.0.on_event(Event::Tick, at(60_000));
    assert!(matches!(again[..], [.., takeover::Effect::LogIn { login: LoginNumber(2), .. }]), "{again:?}");
    let asked = home.fence_until_reset(2);
    assert_eq!(
        home.tell(Event::Confirmed { number: before }),
        [],
        "a grant that was under way when the login was answered"
    );
    assert_eq!(home.reset_done(2), []);
    let mut replaced = Home(home.0.clone());
    assert_eq!(replaced.tell(Event::NewerEpoch(Epoch(2))), [takeover::Effect::Stop]);
    assert_eq!(home.tell(Event::Confirmed { number: asked }), [replay()]);
}

fn told(from: &str, revision: u64, home: &str, epoch: u64) -> Assignment {
    let route = Route { home: Some(name(home)), epoch: Epoch(epoch) };
    let adapter = AssignedAdapter { adapter: ADAPTER, route, successors: Vec::new(), carrying: from == home };
    let profile = AssignedProfile {
        profile: name("web"),
        revision: Revision(revision),
        phase: Phase::Active,
        adapters: vec![adapter],
    };
    Assignment { from: name(from), revision: Revision(revision), profiles: vec![profile] }
}

/// `agent-keeps-order`: the former home has not heard yet that it is none any more, and says so last.
#[test]
fn an_agent_does_not_go_back_to_a_home_that_speaks_last() {
    let mut agent = Agent::new(Memory::default());
    agent.on_assignment(&told("d1", 1, "d1", 1), at(0));
    agent.on_assignment(&told("d2", 2, "d2", 2), at(1));
    for mut agent in [Agent::new(agent.memory().clone()), agent] {
        let refused = agent.on_assignment(&told("d1", 1, "d1", 1), at(2));
        assert!(matches!(refused[..], [Effect::Refuse(Refusal::OldRevision { .. })]), "{refused:?}");
        assert!(agent.routes().all(|(_, it)| it.epoch == Epoch(2)));
    }
}

/// `catch-up`: the lease lapses, the profile goes to another server meanwhile, and the director comes back.
#[test]
fn a_director_that_was_away_carries_when_it_knows_what_happened() {
    let mut holder = Holder::new(LEASE);
    holder.on_applied(Revision(1));
    let first = holder.on_request(at(0)).sequence;
    holder.on_grant(first, Revision(1), at(1)).unwrap();
    assert!(holder.may_carry(at(2)));
    let later = at(2) + LEASE;
    let second = holder.on_request(later).sequence;
    holder.on_grant(second, Revision(3), later).unwrap();
    assert!(!holder.may_carry(later));
    holder.on_applied(Revision(3));
    assert!(holder.may_carry(later));
}

/// `lease-from-asking`, `drift-margin`, `election-wait`: the holder's clock is slow, the leaders' are fast, the grant is under way for
/// long, and another leads before it comes.
#[test]
fn no_leader_says_that_a_lease_has_ended_which_runs() {
    let fast = |real: Duration| at(7) + real * (100 + DRIFT_MARGIN_PERCENT) / 100;
    let slow = |real: Duration| at(9000) + real;
    for (elected, arrives) in [(0, 0), (700, 1499), (1499, 700), (1600, 1499)]
        .map(|(one, other)| (Duration::from_millis(one), Duration::from_millis(other)))
    {
        let mut holder = Holder::new(LEASE);
        let sequence = holder.on_request(slow(Duration::ZERO)).sequence;
        let mut first = Grantor::became_leader(LEASE, at(0));
        first.on_granted(&name("d1"), fast(Duration::ZERO));
        let second = Grantor::became_leader(LEASE, fast(elected));
        holder.on_grant(sequence, Revision(0), slow(arrives)).unwrap();
        for real in (0..4000).map(Duration::from_millis) {
            let ended = |it: &Grantor| it.certainly_ended(&name("d1"), fast(real)).is_ok();
            let said = if real < elected { ended(&first) } else { ended(&second) };
            assert!(!(said && holder.may_carry(slow(real))), "after {real:?}; elected after {elected:?}");
        }
    }
}

/// `release-wait` and `release-ends`: the home and the server that is to let go are both silent.
#[test]
fn a_release_waits_for_a_silent_home_and_not_for_ever() {
    let mut leases = Grantor::became_leader(LEASE, at(0));
    let carriers: BTreeSet<Name> = ["d1", "d2", "d3"].map(name).into();
    carriers.iter().for_each(|it| leases.on_granted(it, at(5000)));
    let releasing = Releasing { profile: name("web"), from: name("s1"), revision: Revision(2) };
    let mut releases = Releases::default();
    releases.sync(vec![releasing], carriers, at(5000));
    ["d2", "d3"].iter().for_each(|it| releases.on_applied(&name(it), Revision(2)));
    let end = leases.ends_at(&name("d1"));
    assert_eq!(releases.tick(&leases, Moment::from_nanos(end.as_nanos() - 1)), []);
    assert_eq!(releases.tick(&leases, end).len(), 1);
}
