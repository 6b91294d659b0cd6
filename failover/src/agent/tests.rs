use super::*;

const A: AdapterId = AdapterId(7);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn route(home: &str, epoch: u64) -> Route {
    let home = if home == "-" { None } else { Some(name(home)) };
    Route { home, epoch: Epoch(epoch) }
}

fn assigned(route: Route, carrying: bool) -> AssignedAdapter {
    AssignedAdapter { adapter: A, route, successors: vec![name("d3")], carrying }
}

fn profile(phase: Phase, adapters: Vec<AssignedAdapter>) -> AssignedProfile {
    AssignedProfile { profile: name("web"), revision: Revision(40), phase, adapters }
}

fn assignment(from: &str, revision: u64, profiles: Vec<AssignedProfile>) -> Assignment {
    Assignment { from: name(from), revision: Revision(revision), profiles }
}

/// `from` says at `revision` that the adapter is at home and epoch.
fn told(from: &str, revision: u64, home: &str, epoch: u64, carrying: bool) -> Assignment {
    let adapter = assigned(route(home, epoch), carrying);
    assignment(from, revision, vec![profile(Phase::Active, vec![adapter])])
}

fn short(effects: &[Effect]) -> String {
    let one = |it: &Effect| match it {
        Effect::Switch { route, .. } => {
            format!("switch {} {}", route.home.as_ref().map_or("-", Name::as_str), route.epoch)
        }
        Effect::Remove { .. } => "remove".into(),
        Effect::Create { route, .. } => format!("create {}", route.epoch),
        Effect::Persist => "persist".into(),
        Effect::AcknowledgeRelease { profile, revision } => format!("acknowledge {profile} {revision}"),
        Effect::Refuse(Refusal::OldRevision { .. }) => "old revision".into(),
        Effect::Refuse(Refusal::OldEpoch { .. }) => "old epoch".into(),
        Effect::Refuse(Refusal::Conflict { .. }) => "conflict".into(),
    };
    effects.iter().map(one).collect::<Vec<String>>().join(", ")
}

/// All paths up. At 1000 ms: absent, following d1 in epoch 5 (revision 50), or pending for d2 in epoch 6 (revision 60).
fn agents() -> [Agent; 3] {
    let mut agents = [(); 3].map(|()| Agent::new(Memory::default()));
    for agent in &mut agents {
        for director in ["d1", "d2", "d3"] {
            agent.on_path(&name(director), Rail::A, true, at(0));
        }
    }
    for agent in &mut agents[1..] {
        assert_eq!(short(&agent.on_assignment(&told("d1", 50, "d1", 5, true), at(900))), "create 5, persist");
    }
    assert_eq!(short(&agents[2].on_assignment(&told("d3", 60, "d2", 6, false), at(1000))), "persist");
    assert_eq!(agents[2].next_deadline(), Some(at(1045)));
    agents
}

type Event = (&'static str, fn(&mut Agent) -> Vec<Effect>, [&'static str; 3]);

/// Columns: absent, following d1 in epoch 5, pending for d2 in epoch 6.
const TABLE: [Event; 14] = [
    (
        "the same",
        |it| it.on_assignment(&told("d1", 60, "d1", 5, true), at(1001)),
        ["create 5, persist", "", "old epoch"],
    ),
    (
        "newer, from another",
        |it| it.on_assignment(&told("d3", 60, "d2", 6, false), at(1001)),
        ["create 6, persist", "persist", ""],
    ),
    (
        "newer, from its home, not carrying yet",
        |it| it.on_assignment(&told("d2", 60, "d2", 6, false), at(1001)),
        ["create 6, persist", "persist", ""],
    ),
    (
        "newer, from its home, carrying",
        |it| it.on_assignment(&told("d2", 60, "d2", 6, true), at(1001)),
        ["create 6, persist", "switch d2 6, persist", "switch d2 6"],
    ),
    (
        "its home carries, in an old assignment",
        |it| it.on_assignment(&told("d2", 49, "d2", 6, true), at(1001)),
        ["create 6, persist", "old revision", "switch d2 6, old revision"],
    ),
    (
        "somebody else claims to carry",
        |it| it.on_assignment(&told("d3", 60, "d2", 6, true), at(1001)),
        ["create 6, persist", "persist", ""],
    ),
    (
        "another home in epoch 6",
        |it| it.on_assignment(&told("d3", 60, "d3", 6, true), at(1001)),
        ["create 6, persist", "switch d3 6, persist", "conflict"],
    ),
    (
        "still newer",
        |it| it.on_assignment(&told("d1", 70, "d3", 7, false), at(1001)),
        ["create 7, persist", "persist", "persist"],
    ),
    (
        "no home any more",
        |it| it.on_assignment(&told("d3", 70, "-", 7, false), at(1001)),
        ["create 7, persist", "switch - 7, persist", "switch - 7, persist"],
    ),
    ("the old home is out of reach", |it| it.on_path(&name("d1"), Rail::A, false, at(1001)), ["", "", "switch d2 6"]),
    ("time passes", |it| it.tick(at(1045)), ["", "", "switch d2 6"]),
    (
        "release",
        |it| {
            it.on_assignment(
                &assignment("d3", 70, vec![profile(Phase::Releasing, vec![assigned(route("d2", 6), false)])]),
                at(1001),
            )
        },
        ["persist, acknowledge web 40", "remove, persist, acknowledge web 40", "remove, persist, acknowledge web 40"],
    ),
    (
        "gone",
        |it| it.on_assignment(&assignment("d3", 70, vec![]), at(1001)),
        ["", "remove, persist", "remove, persist"],
    ),
    (
        "gone, but long ago",
        |it| it.on_assignment(&assignment("d3", 49, vec![]), at(1001)),
        ["", "old revision", "old revision"],
    ),
];

#[test]
fn every_state_meets_every_event() {
    for (event, step, expected) in TABLE {
        let seen = agents().map(|mut it| short(&step(&mut it)));
        assert_eq!(seen, expected, "{event}");
    }
}

#[test]
fn the_wait_counts_from_the_first_news() {
    let [.., mut agent] = agents();
    agent.on_assignment(&told("d1", 70, "d3", 7, false), at(1015));
    assert_eq!(agent.next_deadline(), Some(at(1045)));
    assert_eq!(agent.routes().next(), Some((A, &route("d1", 5))));
    assert_eq!(agent.newest_routes().next(), Some((A, &route("d3", 7))));
    assert_eq!(short(&agent.tick(at(1045))), "switch d3 7");
    assert_eq!((agent.next_deadline(), agent.routes().next()), (None, Some((A, &route("d3", 7)))));
}

#[test]
fn one_rail_less_is_no_reason_to_switch() {
    let [.., mut agent] = agents();
    agent.on_path(&name("d1"), Rail::B, true, at(1001));
    assert_eq!(agent.on_path(&name("d1"), Rail::A, false, at(1002)), []);
    assert_eq!(short(&agent.on_path(&name("d1"), Rail::B, false, at(1003))), "switch d2 6");
}

#[test]
fn after_a_restart_nothing_older_is_followed() {
    let [.., agent] = agents();
    let mut agent = Agent::new(agent.memory().clone());
    assert_eq!(short(&agent.on_assignment(&told("d1", 50, "d1", 5, true), at(0))), "old revision");
    assert_eq!(short(&agent.on_assignment(&told("d1", 61, "d1", 5, true), at(0))), "old epoch");
    assert_eq!(short(&agent.on_assignment(&told("d2", 60, "d2", 6, true), at(0))), "old revision");
    assert_eq!(short(&agent.on_assignment(&told("d2", 61, "d2", 6, true), at(0))), "create 6");
}

#[test]
fn successors_are_carried_through() {
    let [_, mut agent, _] = agents();
    assert_eq!(agent.successors(A), [name("d3")]);
    let mut renewed = told("d3", 60, "d1", 5, false);
    renewed.profiles[0].adapters[0].successors = vec![name("d2"), name("d3")];
    assert_eq!(agent.on_assignment(&renewed, at(1001)), []);
    assert_eq!(agent.successors(A), ["d2", "d3"].map(name));
    assert!(agent.successors(AdapterId(1)).is_empty());
}
