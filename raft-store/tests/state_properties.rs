//! Random sequences of commands, sensible and not, against a model that knows nothing of the implementation: it looks at the
//! state before and after each command. (The invariants, unchanged states after rejections and previews that tell the truth are
//! checked after every line by `state_support`. `PROPTEST_CASES` sets how many sequences are tried; 256 by default.)

mod state_support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use state_support::{CLUSTER, Cluster, random};
use twinrail_proto::domain::{AdapterId, BindingPhase, Home, MacSource, Name, Profile, UnixMillis, WwnSource};
use twinrail_raft_store::state::State;
use twinrail_raft_store::state::limits::FIXED_QUARANTINE_SECONDS;

/// What an adapter is, as far as the model cares.
#[derive(Clone, PartialEq)]
struct Seen {
    home: Home,
    server: Option<Name>,
    /// As text, MACs and WWNs alike, each with its pool.
    identities: BTreeMap<String, Option<Name>>,
}

/// Everything that must never happen, remembered over a whole run.
#[derive(Default)]
struct Model {
    before: BTreeMap<AdapterId, Seen>,
    gone: BTreeSet<AdapterId>,
    /// When a released identity may be used again, at the earliest.
    resting: BTreeMap<String, UnixMillis>,
}

fn look(state: &State) -> BTreeMap<AdapterId, Seen> {
    let profiles = state.profiles().values().map(|versioned| &versioned.value);
    profiles.flat_map(look_at).collect()
}

fn look_at(profile: &Profile) -> Vec<(AdapterId, Seen)> {
    let server = profile.binding.as_ref().map(|binding| binding.server.clone());
    let vnics = profile.vnics.values().map(|vnic| {
        let pool = match &vnic.mac_source {
            MacSource::Pool(pool) => Some(pool.clone()),
            MacSource::Fixed(_) => None,
        };
        (vnic.id, vnic.home.clone(), BTreeMap::from([(vnic.mac.to_string(), pool)]))
    });
    let vhbas = profile.vhbas.values().map(|vhba| {
        let pool = match &vhba.wwn_source {
            WwnSource::Pool(pool) => Some(pool.clone()),
            WwnSource::Fixed { .. } => None,
        };
        let names = [vhba.wwpn, vhba.wwnn].map(|wwn| (wwn.to_string(), pool.clone()));
        (vhba.id, vhba.home.clone(), BTreeMap::from(names))
    });
    let all = vnics.chain(vhbas);
    all.map(|(id, home, identities)| (id, Seen { home, server: server.clone(), identities })).collect()
}

fn holders(seen: &BTreeMap<AdapterId, Seen>) -> BTreeMap<&String, AdapterId> {
    let all = seen.iter().flat_map(|(id, seen)| seen.identities.keys().map(|identity| (identity, *id)));
    all.collect()
}

impl Model {
    fn observe(&mut self, state: &State, line: &str) {
        let after = look(state);
        let held: usize = after.values().map(|seen| seen.identities.len()).sum();
        assert_eq!(holders(&after).len(), held, "{line}: an identity is held twice");
        self.check_identities(state, &after, line);
        for (id, seen) in &after {
            assert!(!self.gone.contains(id), "{line}: the adapter id {id} is back");
            match self.before.get(id) {
                Some(before) => check_epoch(*id, before, seen, line),
                None => assert!(seen.home.epoch.0 == 0, "{line}: {id} is born with an epoch"),
            }
        }
        self.gone.extend(self.before.keys().filter(|id| !after.contains_key(id)));
        self.before = after;
    }

    fn check_identities(&mut self, state: &State, after: &BTreeMap<AdapterId, Seen>, line: &str) {
        let (had, has) = (holders(&self.before), holders(after));
        for (identity, holder) in &has {
            let kept = had.get(*identity) == Some(holder);
            let until = self.resting.get(*identity).copied().unwrap_or(0);
            assert!(kept || until <= state.last_at(), "{line}: {identity} came back before its time");
            assert!(
                kept || !had.contains_key(*identity),
                "{line}: {identity} went from one adapter to another at once"
            );
        }
        let pools = self.before.values().flat_map(|seen| &seen.identities);
        for (identity, pool) in pools.filter(|(identity, _)| !has.contains_key(identity)) {
            let pool = pool.as_ref().and_then(|pool| state.pools().get(pool));
            let seconds = pool.map_or(FIXED_QUARANTINE_SECONDS, |pool| pool.value.quarantine_seconds);
            self.resting.insert(identity.clone(), state.last_at() + seconds * 1_000);
        }
    }
}

/// Exactly one more for each change of home or server, whatever the command was.
fn check_epoch(id: AdapterId, before: &Seen, after: &Seen, line: &str) {
    let moved = before.home.director != after.home.director || before.server != after.server;
    let expected = before.home.epoch.0 + u64::from(moved);
    assert_eq!(after.home.epoch.0, expected, "{line}: the epoch of adapter {id}");
}

fn releasing(state: &State) -> usize {
    let bindings = state.profiles().values().filter_map(|profile| profile.value.binding.as_ref());
    bindings.filter(|binding| matches!(binding.phase, BindingPhase::Releasing { .. })).count()
}

fn at_work() -> Cluster {
    let mut cluster = Cluster::new(CLUSTER);
    cluster.run(random::AT_WORK);
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_must_not_happen_happens(lines in proptest::collection::vec(random::line(), 1..80)) {
        let mut cluster = at_work();
        let mut model = Model { before: look(&cluster.state), ..Model::default() };
        for line in &lines {
            let _ = cluster.tell(line);
            model.observe(&cluster.state, line);
        }
    }

    /// The same commands give the same state, also where a director was restarted from a snapshot in between.
    #[test]
    fn directors_agree(lines in proptest::collection::vec(random::line(), 1..60), restart in 0usize..60) {
        let (mut one, mut other) = (at_work(), at_work());
        for (position, line) in lines.iter().enumerate() {
            if position == restart {
                let snapshot = rmp_serde::to_vec_named(&other.state).unwrap();
                other.state = rmp_serde::from_slice(&snapshot).unwrap();
                prop_assert_eq!(&one.state, &other.state);
            }
            prop_assert_eq!(one.tell(line), other.tell(line));
        }
        prop_assert_eq!(one.state.hash(), other.state.hash());
    }

    /// A command that was answered acts once, whenever it comes again.
    #[test]
    fn retries_act_once(lines in proptest::collection::vec(random::line(), 1..40), line in random::line(), later in 0usize..40) {
        let mut cluster = at_work();
        lines[..later.min(lines.len())].iter().for_each(|line| drop(cluster.tell(line)));
        let mut command = cluster.command(&line);
        command.request_id = Some(twinrail_raft_store::state::RequestId("once".to_owned()));
        let revision = twinrail_proto::domain::Revision(1_000);
        if let Ok(applied) = cluster.state.apply(revision, &command) {
            cluster.skip_revisions(1_001);
            lines[later.min(lines.len())..].iter().for_each(|line| drop(cluster.tell(line)));
            let hash = cluster.state.hash();
            let again = cluster.state.apply(twinrail_proto::domain::Revision(9_000), &command).unwrap();
            prop_assert_eq!((again.revision, again.replayed), (applied.revision, true));
            let touched = |applied: &twinrail_raft_store::state::Applied| -> Vec<_> {
                applied.events.iter().map(|event| (event.key.clone(), event.change)).collect()
            };
            prop_assert_eq!(touched(&again), touched(&applied));
            prop_assert_eq!(cluster.state.hash(), hash);
        }
    }
}

/// The random lines are worth something only if they get far: they must be accepted often, and reach moves and homes.
#[test]
fn random_lines_get_far() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut homes, mut moves, mut reasons) = (0, 0, 0, BTreeMap::<&str, usize>::new());
    for _ in 0..100 {
        let lines = proptest::collection::vec(random::line(), 80).new_tree(&mut runner).unwrap().current();
        let mut cluster = at_work();
        for line in lines {
            match cluster.tell(&line) {
                Ok(applied) => accepted += usize::from(!applied.events.is_empty()),
                Err(rejection) => *reasons.entry(rejection.reason()).or_default() += 1,
            }
            moves += releasing(&cluster.state);
        }
        homes += look(&cluster.state).values().filter(|seen| seen.home.director.is_some()).count();
    }
    println!(
        "{accepted} of 8000 accepted, {homes} homes, {moves} moves under way, {} kinds of refusals",
        reasons.len()
    );
    assert!(accepted > 1_500 && homes > 100 && moves > 2_000 && reasons.len() > 30, "{reasons:?}");
}
