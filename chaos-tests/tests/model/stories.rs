//! Counter-examples that the checker found, each with one rule switched off. Gone again without the rule each must end as it did; with
//! the rule in force the same attempt must come to nothing.

use twinrail_chaos_tests::model::rules::Rule;
use twinrail_chaos_tests::model::scopes::Proof;
use twinrail_chaos_tests::model::story::Ending;

fn tells(rule: &str, story: &str) {
    let rule: Rule = rule.parse().unwrap();
    let proof = Proof::of(rule);
    let without = proof.replay(true, story);
    let whole = Ending { impossible: Vec::new(), broken: Some(proof.property.name()) };
    assert!(without.contains(&whole), "without {rule}: {without:#?}");
    for ending in proof.replay(false, story) {
        assert_eq!(ending.broken, None, "with {rule} in force: {ending:#?}");
    }
}

macro_rules! stories {
    ($($test:ident $rule:literal,)*) => {
        $(
            #[test]
            fn $test() {
                tells($rule, include_str!(concat!("stories/", $rule, ".txt")));
            }
        )*

        #[test]
        fn every_rule_has_its_story() {
            let told = [$($rule),*];
            let untold: Vec<&Rule> = Rule::ALL.iter().filter(|it| !told.contains(&it.name())).collect();
            assert!(untold.is_empty(), "{untold:?}");
        }
    };
}

stories! {
    a_home_that_changes_without_an_epoch_is_two "new-epoch",
    a_server_that_takes_every_epoch_hears_its_former_home "server-checks-epoch",
    an_agent_that_follows_the_last_word_goes_back "agent-keeps-order",
    a_home_that_passes_every_epoch_passes_what_it_was_given_two_homes_ago "director-checks-epoch",
    an_agent_that_switches_anywhere_speaks_to_a_stranger "listed-successors",
    an_agent_that_goes_back_speaks_to_a_home_that_was_replaced "no-way-back",
    an_agent_that_forgets_what_came_ahead_goes_back "ahead-remembered",
    a_successor_that_carries_before_the_commit_is_a_second_home "commit-before-carrying",
    a_director_without_a_lease_speaks_for_a_server_that_has_lost_the_profile "lease",
    a_release_that_does_not_wait_leaves_two_servers "release-wait",
    a_release_that_waits_for_the_dead_never_ends "release-ends",
    a_director_that_comes_back_acts_on_what_it_knew "catch-up",
    a_session_that_lives_on_lets_a_late_command_pass "same-session",
    a_login_alone_leaves_a_late_write "fence",
    a_reset_that_is_not_waited_for_leaves_a_late_write "reset-answer",
    a_former_home_admits_after_its_login "confirmation",
    a_round_from_before_the_login_confirms_nothing "confirmation-after-login",
    a_command_of_the_session_before_comes_late "command-instance",
    an_initiator_that_starts_again_is_overtaken_by_its_own_past "one-initiator",
    a_lease_that_counts_from_its_grant_is_too_long "lease-from-asking",
    a_wait_without_a_margin_is_too_short "drift-margin",
    a_new_leader_that_does_not_wait_knows_nothing_of_former_grants "election-wait",
    a_leader_that_is_none_any_more_grants "quorum-round",
}
