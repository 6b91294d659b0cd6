use std::time::{Duration, Instant};

use twinrail_failover::Standing;
use twinrail_failover::placement::{on_director_lost, rebalance, refresh};

use super::world::{World, name};

/// Many times what it takes here, and far less than what quadratic work over 4,000 adapters would.
const GENEROUS: Duration = Duration::from_millis(200);

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < GENEROUS, "{what} took {took:?}");
    result
}

#[test]
fn four_thousand_adapters_are_planned_in_milliseconds() {
    let mut world = World::uniform(3, 1000, 4);
    let plan = timed("first homes of 4000", || refresh(&world.view()));
    world.apply(&plan);
    world.director("d1").standing = Standing::Lost;
    let plan = timed("loss of a third of 4000", || on_director_lost(&world.view(), &name("d1")));
    assert!((1330..=1340).contains(&plan.moves.len()));
    world.apply(&plan);
    let plan = timed("lists of the others", || refresh(&world.view()));
    world.apply(&plan);
    world.director("d1").standing = Standing::Trusted;
    let plan = timed("rebalance", || rebalance(&world.view()));
    assert_eq!(plan.moves.len(), 1333);
    timed("nothing to do", || refresh(&world.view()));
}
