use std::collections::BTreeMap;

use twinrail_failover::Standing;
use twinrail_failover::placement::{
    MoveRefused, Unfit, drain, keep_or_place, move_to, on_director_lost, on_uplink_lost, place, rebalance, refresh,
};
use twinrail_proto::domain::{AdapterId, AdminState, DirectorRole, Epoch, HomeMove, Name};

use super::world::{Use, World, name};

fn loads(world: &World) -> Vec<i64> {
    world.loads().into_values().collect()
}

fn homes(world: &World) -> BTreeMap<AdapterId, Option<Name>> {
    world.adapters.iter().map(|it| (it.id, it.home.director.clone())).collect()
}

#[test]
fn the_vnics_of_a_server_go_to_different_homes_and_list_the_others() {
    let world = World::uniform(3, 1, 2);
    let moves = place(&world.view(), &world.view().adapters);
    let expected = [(1, "d1", ["d3", "d2"]), (2, "d2", ["d3", "d1"])];
    let expected = expected.map(|(id, to, successors)| HomeMove {
        adapter: AdapterId(id),
        expected: Epoch(0),
        to: Some(name(to)),
        successors: successors.map(name).to_vec(),
    });
    assert_eq!(moves, expected);
}

#[test]
fn a_returned_director_gets_nothing_back_until_asked() {
    let mut world = World::uniform(3, 30, 2).settled();
    assert_eq!(loads(&world), [20, 20, 20]);
    world.director("d1").standing = Standing::Lost;
    let plan = on_director_lost(&world.view(), &name("d1"));
    world.apply(&plan);
    assert_eq!((plan.moves.len(), loads(&world)), (20, vec![0, 30, 30]));
    let repaired = refresh(&world.view());
    assert_eq!((repaired.moves.len(), repaired.successors.len()), (0, 40), "the others' lists no longer name it");
    world.apply(&repaired);

    world.director("d1").standing = Standing::Trusted;
    let returned = refresh(&world.view());
    assert_eq!((returned.moves.len(), returned.successors.len()), (0, 60), "an heir again, and no more");
    world.apply(&returned);
    let plan = rebalance(&world.view());
    world.apply(&plan);
    assert_eq!((plan.moves.len(), loads(&world)), (20, vec![20, 20, 20]));
}

#[test]
fn a_new_server_is_spread_even_when_one_director_is_empty() {
    let mut world = World::uniform(3, 11, 3);
    for adapter in &mut world.adapters[..30] {
        adapter.home.director = Some(name(if adapter.id.0 % 2 == 0 { "d1" } else { "d2" }));
    }
    let view = world.view();
    let moves = place(&view, &view.adapters[30..]);
    let targets: Vec<&str> = moves.iter().map(|it| it.to.as_ref().unwrap().as_str()).collect();
    assert_eq!(targets, ["d3", "d1", "d2"]);
}

#[test]
fn the_first_committed_successor_inherits() {
    let mut world = World::uniform(3, 2, 1);
    for (adapter, heir) in world.adapters.iter_mut().zip(["d3", "d2"]) {
        adapter.home.director = Some(name("d1"));
        adapter.home.successors = vec![name(heir), name("d1")];
    }
    let plan = on_director_lost(&world.view(), &name("d1"));
    let targets: Vec<&str> = plan.moves.iter().map(|it| it.to.as_ref().unwrap().as_str()).collect();
    assert_eq!(targets, ["d3", "d2"]);
}

#[test]
fn a_spare_stands_in_and_is_relieved_only_on_request() {
    let mut world = World::uniform(3, 4, 1);
    world.director("d3").role = DirectorRole::Spare;
    let mut world = world.settled();
    assert_eq!(loads(&world), [2, 2, 0]);
    let lost = on_director_lost(&world.view(), &name("d1"));
    world.director("d1").standing = Standing::Lost;
    world.apply(&lost);
    assert_eq!(loads(&world), [0, 4, 0], "an active director can");
    world.director("d2").standing = Standing::Lost;
    let plan = refresh(&world.view());
    world.apply(&plan);
    assert_eq!(loads(&world), [0, 0, 4]);
    world.director("d1").standing = Standing::Trusted;
    assert_eq!(refresh(&world.view()).moves, []);
    let back = rebalance(&world.view());
    world.apply(&back);
    assert_eq!(loads(&world), [4, 0, 0]);
}

#[test]
fn a_director_whose_port_fails_gives_away_that_lan_alone_and_takes_nothing_back() {
    let mut world = World::uniform(3, 6, 1).settled();
    for director in &mut world.directors {
        director.uplinks.insert(name("other"));
    }
    for adapter in &mut world.adapters[3..] {
        adapter.cloud = name("other");
    }
    let before = homes(&world);
    world.director("d1").uplinks_down.insert(name("lan"));
    let plan = on_uplink_lost(&world.view(), &name("d1"), &name("lan"));
    world.apply(&plan);
    let moved: Vec<u32> = plan.moves.iter().map(|it| it.adapter.0).collect();
    assert_eq!((moved, plan.stranded.len()), (vec![1], 0));
    let refreshed = refresh(&world.view());
    world.apply(&refreshed);
    assert!(refreshed.moves.is_empty());
    assert!(world.adapters[..3].iter().all(|it| !it.home.successors.contains(&name("d1"))), "no heir of that LAN");
    world.director("d1").uplinks_down.clear();
    assert!(refresh(&world.view()).moves.is_empty(), "it stays where it is");
    assert_ne!(homes(&world), before);
}

#[test]
fn what_no_port_reaches_stays_until_one_does_and_a_spare_s_counts() {
    let mut world = World::uniform(3, 4, 1);
    world.director("d3").role = DirectorRole::Spare;
    let mut world = world.settled();
    for director in &mut world.directors {
        director.uplinks_down.insert(name("lan"));
    }
    let plan = on_uplink_lost(&world.view(), &name("d1"), &name("lan"));
    assert_eq!((plan.moves.len(), plan.stranded.len()), (0, 2));
    assert!(refresh(&world.view()).moves.is_empty());
    world.director("d3").uplinks_down.clear();
    let plan = refresh(&world.view());
    world.apply(&plan);
    assert_eq!(loads(&world), [0, 0, 4], "the spare's port works");
}

#[test]
fn two_actives_with_a_witness_never_use_the_witness() {
    let mut world = World::uniform(3, 4, 1);
    world.director("d3").role = DirectorRole::Witness;
    let mut world = world.settled();
    for lost in ["d1", "d2"] {
        world.director(lost).standing = Standing::Lost;
        let plan = on_director_lost(&world.view(), &name(lost));
        world.apply(&plan);
        assert_eq!(plan.stranded.len(), if lost == "d2" { 4 } else { 0 });
    }
    assert_eq!(loads(&world), [0, 4, 0], "they wait where they were");
}

#[test]
fn a_drained_director_is_emptied_and_stays_empty() {
    let mut world = World::uniform(2, 4, 1).settled();
    let plan = drain(&world.view(), &name("d1"));
    world.apply(&plan);
    world.director("d1").admin_state = AdminState::Drained;
    assert_eq!(loads(&world), [0, 4]);
    assert!(rebalance(&world.view()).is_empty());
    let last = drain(&world.view(), &name("d2"));
    assert_eq!((last.moves.len(), last.stranded.len()), (0, 4), "the last one keeps carrying, and the plan says so");
}

#[test]
fn a_profile_that_moves_to_another_server_keeps_its_homes() {
    let mut world = World::uniform(3, 4, 3).settled();
    let before = homes(&world);
    for adapter in &mut world.adapters[..3] {
        adapter.used = Use::Releasing;
    }
    let mut moved: Vec<_> = world.adapters[..3].to_vec();
    for adapter in &mut moved {
        (adapter.server, adapter.used) = (name("s9"), Use::Carried);
    }
    world.director("d2").standing = Standing::Lost;
    let views: Vec<_> = moved.iter().map(|it| it.view()).collect();
    for it in keep_or_place(&world.view(), &views) {
        let (was, now) = (before[&it.adapter].as_ref().unwrap(), it.to.as_ref().unwrap());
        assert!(if was.as_str() == "d2" { now != was } else { now == was }, "{was} → {now}");
    }
    assert_eq!(keep_or_place(&world.view(), &views).len(), 3, "those that stay are named as well");
}

#[test]
fn the_operator_is_told_why_not() {
    let mut world = World::uniform(5, 1, 2);
    world.director("d2").role = DirectorRole::Witness;
    world.director("d3").role = DirectorRole::Spare;
    world.director("d4").standing = Standing::Doubted;
    world.director("d5").uplinks.clear();
    world.adapters[1].used = Use::Idle;
    let view = world.view();
    let refused = |id, to: &str| move_to(&view, AdapterId(id), &name(to)).unwrap_err();
    assert_eq!(refused(1, "d2"), MoveRefused::Unfit(Unfit::Witness(name("d2"))));
    assert_eq!(refused(1, "d3"), MoveRefused::Spare(name("d3")));
    assert_eq!(refused(1, "d4"), MoveRefused::Unfit(Unfit::Silent(name("d4"))));
    assert_eq!(
        refused(1, "d4").to_string(),
        "the adapter cannot be moved there: director d4 is not heard of, or only just came back"
    );
    let no_uplink = Unfit::NoUplink { director: name("d5"), cloud: name("lan") };
    assert_eq!(refused(1, "d5"), MoveRefused::Unfit(no_uplink));
    assert_eq!(refused(1, "d6"), MoveRefused::UnknownDirector(name("d6")));
    assert_eq!(refused(2, "d1"), MoveRefused::NotCarried(AdapterId(2)));
    assert_eq!(refused(3, "d1"), MoveRefused::UnknownAdapter(AdapterId(3)));
    assert_eq!(move_to(&view, AdapterId(1), &name("d1")).unwrap().to, Some(name("d1")));
}
