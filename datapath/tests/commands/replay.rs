//! Lost answers, and what a new home is sent.

use twinrail_datapath::commands::initiator::Effect;
use twinrail_datapath::commands::initiator::outcome_unknown;
use twinrail_datapath::scsi::{Lun, TaskAnswer, TaskFunction, TaskManagement};
use twinrail_proto::rail::command::{CommandNumber, RefusalCause};

use crate::pair::{MS, Pair, SECOND, compare_and_write, write};

#[test]
fn an_answer_that_was_lost_is_given_again_and_not_made_again() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 0;
    pair.silent = true;
    pair.agent.submit(compare_and_write(1), pair.now).expect("taken");
    let parcels = pair.agent.effects();
    pair.silent = false;
    for effect in parcels {
        if let Effect::Send { link, parcel } = effect {
            pair.target.received(link, parcel, pair.now);
        }
    }
    pair.target.poll(pair.now);
    assert_eq!(pair.target.effects().len(), 1, "an answer, which is lost here");
    pair.cut();
    pair.pass(SECOND);
    assert_eq!((pair.answers(), pair.given(1)), (vec![1], 1));
    assert!(pair.completed[0].1.is_good());
}

#[test]
fn a_new_home_is_sent_what_may_be_replayed_and_what_nobody_had() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 10 * SECOND;
    pair.submit(write(1));
    pair.submit(compare_and_write(2));
    pair.submit(write(3));
    pair.target.stop(RefusalCause::NewerEpoch);
    pair.turn();
    pair.submit(compare_and_write(4));
    assert!(pair.completed.is_empty(), "held");
    pair.array.lock().longest = 0;
    pair.take_over(2);
    for _ in 0..50 {
        pair.pass(MS);
    }
    assert_eq!(pair.completed[0], (CommandNumber(2), outcome_unknown()));
    let mut answers = pair.answers();
    answers.sort_unstable();
    assert_eq!(answers, [1, 2, 3, 4]);
    assert_eq!([1, 2, 3, 4].map(|it| pair.given(it)), [2, 1, 2, 1]);
    let order: Vec<u64> = pair.array.lock().logins[&2].given.iter().map(|it| it.1).collect();
    assert_eq!(order, [1, 3, 4]);
}

#[test]
fn another_session_of_the_same_home_is_sent_what_another_home_would_be() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 10 * SECOND;
    pair.submit(write(1));
    pair.submit(compare_and_write(2));
    pair.submit(write(3));
    let request = TaskManagement { lun: Lun::ZERO, function: TaskFunction::AbortTaskSet };
    pair.target.stop(RefusalCause::Fencing);
    pair.turn();
    pair.agent.manage(request, pair.now).expect("taken");
    pair.submit(compare_and_write(4));
    pair.array.lock().longest = 0;
    pair.log_in_again(2);
    for _ in 0..50 {
        pair.pass(MS);
    }
    assert!(pair.completed.contains(&(CommandNumber(2), outcome_unknown())), "{:?}", pair.completed);
    assert!(pair.others.contains(&Effect::Managed { number: 1, answer: TaskAnswer::Rejected, ended: vec![] }));
    let mut answers = pair.answers();
    answers.sort_unstable();
    assert_eq!(answers, [1, 2, 3, 4]);
    assert_eq!([1, 2, 3, 4].map(|it| pair.given(it)), [2, 1, 2, 1]);
}

#[test]
fn what_was_answered_before_is_not_awaited_from_another_session_of_the_same_home() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 0;
    for lba in 1..=5 {
        pair.submit(write(lba));
        pair.pass(MS);
    }
    pair.target.stop(RefusalCause::Fencing);
    pair.turn();
    pair.log_in_again(2);
    for lba in 6..=200 {
        pair.submit(compare_and_write(lba));
        pair.pass(25 * MS);
    }
    assert_eq!(pair.answers(), (1..=200).collect::<Vec<_>>());
    assert!(pair.completed.iter().all(|it| it.1.is_good()));
}

#[test]
fn a_lapsed_lease_loses_nothing_when_it_comes_back_with_the_same_epoch() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 0;
    pair.array.lock().depth = 0;
    pair.submit(compare_and_write(1));
    pair.target.pause(RefusalCause::NoLease);
    pair.array.lock().depth = 8;
    pair.pass(SECOND);
    assert_eq!((pair.given(1), pair.answers()), (0, vec![]), "nothing goes to the SAN in a pause");
    assert!(pair.refusals.iter().all(|it| it.cause == RefusalCause::NoLease));
    pair.target.resume(pair.now);
    for _ in 0..100 {
        pair.pass(MS);
    }
    assert_eq!((pair.given(1), pair.answers()), (1, vec![1]));
}

#[test]
fn a_session_that_ends_ends_the_target() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 10 * SECOND;
    pair.submit(write(1));
    pair.array.end(1);
    pair.pass(SECOND);
    assert_eq!(pair.ended, 1);
    pair.submit(write(2));
    pair.pass(SECOND);
    assert!(pair.refusals.iter().all(|it| it.cause == RefusalCause::Fencing) && !pair.refusals.is_empty());
    assert_eq!(pair.given(2), 0);
    pair.array.lock().longest = 0;
    pair.take_over(2);
    for _ in 0..50 {
        pair.pass(MS);
    }
    let mut answers = pair.answers();
    answers.sort_unstable();
    assert_eq!(answers, [1, 2]);
}

#[test]
fn a_lun_reset_passes_commands_that_wait_and_ends_them() {
    let mut pair = Pair::new();
    pair.array.lock().depth = 1;
    pair.array.lock().longest = 0;
    pair.agent.submit(write(1), pair.now).expect("taken");
    pair.array.lock().longest = 100 * SECOND;
    for lba in 2..=4 {
        pair.submit(write(lba));
    }
    let request = TaskManagement { lun: Lun::ZERO, function: TaskFunction::LunReset };
    pair.array.lock().longest = 0;
    pair.agent.manage(request, pair.now).expect("taken");
    pair.submit(write(5));
    for _ in 0..50 {
        pair.pass(MS);
    }
    let Some(Effect::Managed { answer, ended, .. }) =
        pair.others.iter().find(|it| matches!(it, Effect::Managed { .. }))
    else {
        panic!("no answer: {:?}", pair.others)
    };
    assert_eq!(*answer, TaskAnswer::Complete);
    let mut all: Vec<u64> = ended.iter().map(|it| it.0).chain(pair.answers()).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4, 5], "each is answered or named");
    assert!(pair.answers().contains(&5) && ended.len() >= 3);
}
