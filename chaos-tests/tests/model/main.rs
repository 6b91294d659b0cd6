//! The failover protocol's models: those that are small enough hold in all their states, and every rule is there for something,
//! which the story of its counter-example tells. `make model` checks the larger ones.

mod stories;

use std::process::{Command, Output};

use twinrail_chaos_tests::model::properties::Event;
use twinrail_chaos_tests::model::rules::Rule;
use twinrail_chaos_tests::model::scopes::{ALL, Proof, Scope};

const THREADS: usize = 2;

/// And what it holds in is not empty: everything that it should have met has been met.
fn holds(name: &str) {
    let scope = Scope::by_name(name).unwrap();
    assert!(scope.small, "{name} is too large for every run of the tests");
    let run = scope.check(THREADS);
    assert_eq!(run.outcome.broken, [], "{name}");
    let unseen: Vec<&Event> = scope.events.iter().filter(|it| run.seen.count(**it) == 0).collect();
    assert!(unseen.is_empty(), "{name} has never seen {unseen:?}");
    println!("{name}: {} states, depth {}, {:?}", run.outcome.states, run.outcome.depth, run.outcome.took);
}

#[test]
fn a_lease_has_ended_when_the_leader_says_so() {
    holds("lease");
}

#[test]
fn frames_follow_one_home_after_the_other() {
    holds("frames");
}

#[test]
fn an_agent_may_switch_ahead_of_the_commit() {
    holds("ahead");
}

#[test]
fn a_profile_goes_to_another_server() {
    holds("move");
}

#[test]
fn a_disk_keeps_what_it_has_acknowledged() {
    holds("disk");
}

#[test]
fn a_card_and_a_disk_change_their_home_together() {
    holds("both");
}

#[test]
fn every_small_model_is_checked_here() {
    let small: Vec<&str> = ALL.iter().filter(|it| it.small).map(|it| it.name).collect();
    assert_eq!(small, ["lease", "frames", "ahead", "move", "disk", "both"]);
}

/// The checker finds by itself what the stories tell. Those that take a search of more than a second are left to `make model-rules`.
#[test]
fn the_checker_finds_what_a_rule_is_there_for() {
    let long = [Rule::ConfirmationOrder, Rule::CatchUp, Rule::ResetAnswer, Rule::Lease];
    for &rule in Rule::ALL.iter().filter(|it| !long.contains(it)) {
        let proof = Proof::of(rule);
        let found = proof.check().outcome.broken;
        assert_eq!(found.len(), 1, "without {rule} ({}) {} holds", rule.without(), proof.property.name());
        assert_eq!(found[0].0, proof.property.name(), "without {rule}");
    }
}

fn model(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_model")).args(arguments).output().expect("the program starts")
}

#[test]
fn what_is_wrong_with_the_input_is_said() {
    let cases: [(&[&str], &str); 5] = [
        (&["--without", "fense"], "there is no rule 'fense'; did you mean 'fence'?"),
        (&["--without", "gravitation"], "there is no rule 'gravitation'; there are: new-epoch"),
        (&["--only", "disks"], "there is no model 'disks'; did you mean 'disk'?"),
        (&["--threads", "0"], "--threads"),
        (&["--rules", "--small"], "cannot be used with"),
    ];
    for (arguments, expected) in cases {
        let output = model(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_counter_example_is_told_as_a_story() {
    let output = model(&["--without", "release-wait"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("lan-order is broken by:\n    1. commit: s1 is to let go, for s2\n    2. "), "{said}");
}

#[test]
fn a_model_is_told_with_its_figures_and_verdicts() {
    let output = model(&["--only", "disk"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(" states, ") && said.contains("  holds   acknowledged-writes: "), "{said}");
}
