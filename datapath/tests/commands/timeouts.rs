//! What is held for too long, and an array that is slow.

use twinrail_datapath::commands::initiator::{InitiatorConfig, NotTaken, nobody_took_it, timed_out};
use twinrail_datapath::commands::target::SLOW;
use twinrail_proto::rail::command::{Body, Credits, MAX_DATA, Notice, RefusalCause};

use crate::pair::{MS, Pair, SECOND, target_config, write};

const IO_TIMEOUT: u64 = InitiatorConfig::DEFAULT_IO_TIMEOUT;

#[test]
fn what_nobody_takes_ends_after_the_time_for_io_and_not_before() {
    let mut pair = Pair::new();
    pair.target.pause(RefusalCause::NoLease);
    pair.turn();
    pair.submit(write(1));
    pair.pass(IO_TIMEOUT - 1);
    assert!(pair.completed.is_empty());
    pair.pass(1);
    assert_eq!(pair.completed, [(twinrail_proto::rail::command::CommandNumber(1), nobody_took_it())]);
    pair.target.resume(pair.now);
    pair.pass(SECOND);
    assert_eq!((pair.answers(), pair.given(1)), (vec![1], 0), "never sent, although the home is back");
}

#[test]
fn nothing_new_overtakes_a_command_whose_owner_has_given_up() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 0;
    pair.array.lock().depth = 0;
    pair.submit(write(1));
    pair.target.pause(RefusalCause::NoLease);
    pair.turn();
    pair.pass(IO_TIMEOUT);
    assert_eq!(pair.completed.last().expect("ended").1, timed_out());
    pair.submit(write(2));
    pair.target.resume(pair.now);
    pair.pass(SECOND);
    assert_eq!((pair.given(1), pair.given(2)), (0, 0), "the array takes nothing, so the home has said nothing of 1");
    pair.array.lock().depth = 8;
    for _ in 0..100 {
        pair.pass(MS);
    }
    assert_eq!((pair.answers(), pair.given(1), pair.given(2)), (vec![1, 2], 1, 1));
    let order: Vec<u64> = pair.array.lock().logins[&1].given.iter().map(|it| it.1).collect();
    assert_eq!(order, [1, 2]);
}

#[test]
fn a_slow_array_is_waited_for_and_the_agent_is_told_once() {
    let mut pair = Pair::new();
    pair.array.lock().longest = u64::MAX / 2;
    pair.submit(write(1));
    pair.pass(SLOW - 1);
    let told = |pair: &Pair| pair.at_agent.iter().filter(|it| matches!(it, Body::Notice(_))).count();
    assert_eq!(told(&pair), 0);
    pair.pass(1);
    assert!(pair.at_agent.contains(&Body::Notice(Notice::ArraySlow(5000))));
    pair.pass(2 * IO_TIMEOUT);
    assert_eq!((told(&pair), pair.answers()), (1, vec![]));
}

#[test]
fn an_array_that_takes_nothing_pushes_back_to_the_agent() {
    let credits = Credits { commands: 4, ..Credits::LEAST };
    let mut pair = Pair::with(target_config(1));
    pair.target.set_credits(credits);
    pair.array.lock().depth = 0;
    for lba in 1..=20 {
        pair.submit(write(lba));
    }
    assert_eq!(pair.target.held(), (4, 4 * 512));
    let sent = pair.at_home.iter().filter(|it| matches!(it, Body::Command(_))).count();
    assert_eq!(sent, 4);
    pair.array.lock().depth = 8;
    for _ in 0..300 {
        pair.pass(MS);
        assert!(pair.target.held().0 <= 4);
    }
    let mut answers = pair.answers();
    answers.sort_unstable();
    assert_eq!(answers, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_vhba_takes_no_more_than_its_limits() {
    let mut pair = Pair::new();
    pair.target.pause(RefusalCause::NoLease);
    pair.turn();
    let mut long = write(1);
    long.data_in_length = MAX_DATA + 1;
    assert_eq!(pair.agent.submit(long, pair.now), Err(NotTaken::TooLong));
    for lba in 1..=1024 {
        pair.submit(write(lba));
    }
    assert_eq!(pair.agent.submit(write(1025), pair.now), Err(NotTaken::Full));
}
