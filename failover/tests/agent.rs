//! A server's agent under three directors that apply the same history at different speeds, while paths come and go and the
//! agent restarts with what it wrote down. Epochs never go back, devices are what the effects made them, a release is
//! acknowledged only when its devices are gone for good, and in the end the agent has what the newest state says.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use twinrail_failover::Moment;
use twinrail_failover::agent::{
    Agent, AssignedAdapter, AssignedProfile, Assignment, Effect, FOLLOW_GRACE, Memory, Phase, Route,
};
use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail, Revision};

const DIRECTORS: [&str; 3] = ["d1", "d2", "d3"];
const PROFILES: usize = 2;

/// One committed change: what happens to the profile with this number, and to which home it goes.
#[derive(Clone, Copy, Debug)]
enum Change {
    Bind {
        profile: usize,
        home: usize,
    },
    Rehome {
        profile: usize,
        home: Option<usize>,
    },
    Release {
        profile: usize,
    },
    Complete {
        profile: usize,
    },
    /// Something that does not concern this server: only the revision grows.
    Other,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A director pushes the state that it has applied, a share of the history that only grows.
    Push {
        director: usize,
        ahead: usize,
    },
    Path {
        director: usize,
        rail: Rail,
        up: bool,
    },
    Pass {
        millis: u64,
    },
    Restart,
}

#[derive(Clone, Debug, Default)]
struct Bound {
    /// None: not bound to this server.
    phase: Option<Phase>,
    home: Option<usize>,
    epoch: u64,
    revision: u64,
}

type Snapshot = [Bound; PROFILES];

/// The state after each revision. Each profile has one adapter, numbered like it.
fn history(changes: &[Change]) -> Vec<Snapshot> {
    let mut states = vec![Snapshot::default()];
    for (at, change) in changes.iter().enumerate() {
        let mut state = states[at].clone();
        let touched = apply(&mut state, *change);
        if let Some(bound) = touched {
            state[bound].revision = at as u64 + 1;
        }
        states.push(state);
    }
    states
}

fn apply(state: &mut Snapshot, change: Change) -> Option<usize> {
    let (profile, phase, home) = match change {
        Change::Bind { profile, home } if state[profile].phase.is_none() => (profile, Some(Phase::Active), Some(home)),
        Change::Rehome { profile, home } if state[profile].phase == Some(Phase::Active) => {
            if state[profile].home == home {
                return None;
            }
            (profile, Some(Phase::Active), home)
        }
        Change::Release { profile } if state[profile].phase == Some(Phase::Active) => {
            state[profile].phase = Some(Phase::Releasing);
            return Some(profile);
        }
        Change::Complete { profile } if state[profile].phase == Some(Phase::Releasing) => (profile, None, None),
        _ => return None,
    };
    let epoch = state[profile].epoch + 1;
    state[profile] = Bound { phase, home, epoch, revision: 0 };
    Some(profile)
}

fn assignment(states: &[Snapshot], revision: usize, director: usize) -> Assignment {
    let profiles = states[revision].iter().enumerate().filter_map(|(number, bound)| {
        let route = Route { home: bound.home.map(name), epoch: Epoch(bound.epoch) };
        let carrying = bound.phase == Some(Phase::Active) && bound.home == Some(director);
        let adapter = AssignedAdapter { adapter: id(number), route, successors: vec![], carrying };
        bound.phase.map(|phase| AssignedProfile {
            profile: profile_name(number),
            revision: Revision(bound.revision),
            phase,
            adapters: vec![adapter],
        })
    });
    Assignment { from: name(director), revision: Revision(revision as u64), profiles: profiles.collect() }
}

fn name(director: usize) -> Name {
    DIRECTORS[director].parse().unwrap()
}

fn profile_name(number: usize) -> Name {
    Name::new(format!("p{number}")).unwrap()
}

fn id(number: usize) -> AdapterId {
    AdapterId(number as u32)
}

/// The server: runs the effects, and looks that each makes sense.
struct Server {
    agent: Agent,
    now: Moment,
    disk: Memory,
    devices: BTreeMap<AdapterId, Route>,
    highest: BTreeMap<AdapterId, Epoch>,
    /// The newest revision whose release was acknowledged, by adapter.
    released: BTreeMap<AdapterId, Revision>,
    applied: [usize; 3],
}

impl Server {
    fn new() -> Self {
        Self {
            agent: Agent::new(Memory::default()),
            now: Moment::from_millis(0),
            disk: Memory::default(),
            devices: BTreeMap::new(),
            highest: BTreeMap::new(),
            released: BTreeMap::new(),
            applied: [0; 3],
        }
    }

    fn step(&mut self, states: &[Snapshot], event: Event) {
        match event {
            Event::Push { director, ahead } => {
                self.applied[director] = (self.applied[director] + ahead).min(states.len() - 1);
                self.push(states, director);
            }
            Event::Path { director, rail, up } => {
                let effects = self.agent.on_path(&name(director), rail, up, self.now);
                self.run(states, effects);
            }
            Event::Pass { millis } => {
                self.now = self.now + Duration::from_millis(millis);
                let effects = self.agent.tick(self.now);
                self.run(states, effects);
            }
            Event::Restart => {
                self.agent = Agent::new(self.disk.clone());
                self.devices.clear();
            }
        }
        let routes: BTreeMap<AdapterId, Route> = self.agent.routes().map(|(id, route)| (id, route.clone())).collect();
        assert_eq!(routes, self.devices, "the table is what the effects made");
    }

    fn push(&mut self, states: &[Snapshot], director: usize) {
        let assignment = assignment(states, self.applied[director], director);
        let effects = self.agent.on_assignment(&assignment, self.now);
        self.run(states, effects);
    }

    fn run(&mut self, states: &[Snapshot], effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Create { adapter, route } => {
                    self.follow(adapter, &route);
                    assert!(self.devices.insert(adapter, route).is_none(), "made twice");
                }
                Effect::Switch { adapter, route } => {
                    self.follow(adapter, &route);
                    assert!(self.devices.insert(adapter, route).is_some(), "switched without a device");
                }
                Effect::Remove { adapter } => assert!(self.devices.remove(&adapter).is_some(), "removed twice"),
                Effect::Persist => self.disk = self.agent.memory().clone(),
                Effect::AcknowledgeRelease { profile, revision } => self.acknowledge(states, &profile, revision),
                Effect::Refuse(refusal) => assert!(refusal.to_string().contains("revision"), "{refusal}"),
            }
        }
    }

    /// Each step is to a newer epoch, also after restarts; and never back to what was released.
    fn follow(&mut self, adapter: AdapterId, route: &Route) {
        let highest = self.highest.entry(adapter).or_default();
        assert!(route.epoch >= *highest, "{adapter} back from {highest} to {route:?}");
        assert!(!self.released.contains_key(&adapter) || route.epoch > *highest, "{adapter} was released");
        self.released.remove(&adapter);
        *highest = route.epoch;
    }

    fn acknowledge(&mut self, states: &[Snapshot], profile: &Name, revision: Revision) {
        let number = (0..PROFILES).find(|&it| profile_name(it) == *profile).unwrap();
        let adapter = id(number);
        assert!(!self.devices.contains_key(&adapter), "acknowledged with a device");
        let epoch = Epoch(states[revision.0 as usize][number].epoch);
        assert_eq!(self.disk.epochs.get(&adapter), Some(&epoch), "acknowledged before it was written down");
        self.highest.insert(adapter, epoch);
        self.released.insert(adapter, revision);
    }

    /// Everybody catches up, and the waits are over.
    fn settle(&mut self, states: &[Snapshot]) {
        for director in 0..3 {
            self.step(states, Event::Push { director, ahead: states.len() });
        }
        self.step(states, Event::Pass { millis: FOLLOW_GRACE.as_millis() as u64 });
    }
}

fn change() -> impl Strategy<Value = Change> {
    let profile = || 0..PROFILES;
    prop_oneof![
        3 => (profile(), 0..3usize).prop_map(|(profile, home)| Change::Bind { profile, home }),
        4 => (profile(), proptest::option::weighted(0.9, 0..3usize)).prop_map(|(profile, home)| Change::Rehome { profile, home }),
        2 => profile().prop_map(|profile| Change::Release { profile }),
        2 => profile().prop_map(|profile| Change::Complete { profile }),
        1 => Just(Change::Other),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let rail = proptest::sample::select(Rail::ALL.to_vec());
    prop_oneof![
        8 => (0..3usize, 0..4usize).prop_map(|(director, ahead)| Event::Push { director, ahead }),
        3 => (0..3usize, rail, any::<bool>()).prop_map(|(director, rail, up)| Event::Path { director, rail, up }),
        4 => (0u64..30).prop_map(|millis| Event::Pass { millis }),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_agent_follows_the_state_and_never_goes_back(
        changes in proptest::collection::vec(change(), 1..30),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let states = history(&changes);
        let mut server = Server::new();
        for event in events {
            server.step(&states, event);
        }
        server.settle(&states);
        let newest = states.last().unwrap().iter().enumerate();
        let expected = newest.filter(|(_, it)| it.phase == Some(Phase::Active));
        let expected: BTreeMap<AdapterId, Route> =
            expected.map(|(at, it)| (id(at), Route { home: it.home.map(name), epoch: Epoch(it.epoch) })).collect();
        prop_assert_eq!(server.devices, expected);
        prop_assert_eq!(server.agent.next_deadline(), None);
    }
}
