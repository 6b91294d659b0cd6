use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use twinrail_failover::takeover::{FencedBy, Phase};

use crate::array::Login;
use crate::home::Sabotage;
use crate::world::World;

const STEPS: usize = 800;

/// An array that answers logins at once, one that lets them wait, and one that is declared to do so.
const ARRAYS: [(Login, FencedBy); 3] =
    [(Login::AtOnce, FencedBy::LunReset), (Login::Waits, FencedBy::LunReset), (Login::Waits, FencedBy::Login)];

fn choices() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), STEPS / 4..STEPS)
}

proptest! {
    #![proptest_config(Config { cases: 500, ..Config::default() })]

    /// And when nothing goes wrong any more, the vHBA is carried and everything is answered: the fence does not keep
    /// commands dead by never letting them out.
    #[test]
    fn nothing_old_is_executed_after_anything_new(choices in choices(), array in 0..ARRAYS.len()) {
        let (login, fenced_by) = ARRAYS[array];
        let mut world = World::new(login, fenced_by, Sabotage::None);
        world.run(&choices);
        prop_assert_eq!(&world.violations, &Vec::<String>::new());
        let answered = world.agent.answered;
        world.settle();
        prop_assert_eq!(&world.violations, &Vec::<String>::new());
        prop_assert!(world.agent.answered > answered + 50, "only {} more were answered", world.agent.answered - answered);
        let (home, _) = world.agent.follows.unwrap();
        prop_assert_eq!(world.homes[home].machine.phase(), Some(Phase::Admitted));
    }
}

/// The first violation that chance finds when the machine's output is spoilt.
fn violation(login: Login, fenced_by: FencedBy, sabotage: Sabotage) -> Option<String> {
    let config = Config {
        cases: 4000,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&choices(), |choices| {
        let mut world = World::new(login, fenced_by, sabotage);
        world.run(&choices);
        world.violations.into_iter().next().map_or(Ok(()), |it| Err(TestCaseError::fail(it)))
    });
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(why, _)) => Some(why.message().to_owned()),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The negative controls: the model sees what each step of the fence prevents.
#[test]
fn without_any_one_step_the_model_finds_a_violation() {
    let by_reset = FencedBy::LunReset;
    for (what, kind, login, fenced_by, sabotage) in [
        ("no reset", "order", Login::AtOnce, by_reset, Sabotage::NoReset),
        ("declared to fence by its login, and does not", "order", Login::AtOnce, FencedBy::Login, Sabotage::None),
        ("no confirmation", "order", Login::AtOnce, by_reset, Sabotage::NoConfirmation),
        ("no confirmation, login waits", "order", Login::Waits, FencedBy::Login, Sabotage::NoConfirmation),
        ("unit attentions not cleared", "attention", Login::AtOnce, by_reset, Sabotage::NoTest),
        ("everything replayed", "replay", Login::AtOnce, by_reset, Sabotage::ReplayEverything),
    ] {
        let found = violation(login, fenced_by, sabotage);
        let is_right =
            found.as_ref().is_some_and(|it| it.starts_with(kind) || kind == "order" && it.starts_with("stale"));
        assert!(is_right, "{what}: {found:?}");
    }
    assert_eq!(violation(Login::AtOnce, by_reset, Sabotage::None), None);
}
