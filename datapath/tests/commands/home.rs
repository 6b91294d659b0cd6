//! What a home does in the session beside the agent's commands, and which of those it holds back meanwhile.

use std::collections::BTreeSet;

use twinrail_datapath::commands::initiator::outcome_unknown;
use twinrail_datapath::commands::target::News;
use twinrail_datapath::scsi::{Cdb, Command, Lun, SenseCode, TaskAnswer, TaskFunction, TaskManagement};
use twinrail_proto::rail::command::{Body, CommandNumber, Notice, RefusalCause};

use crate::pair::{MS, Pair, SECOND, target_config, write};

fn lun(number: u16) -> Lun {
    Lun::new(number).expect("a LUN")
}

fn luns(numbers: &[u16]) -> BTreeSet<Lun> {
    numbers.iter().map(|&it| lun(it)).collect()
}

fn write_to(number: u16, lba: u64) -> Command {
    Command { lun: lun(number), ..write(lba) }
}

/// An array that shows these LUNs, and answers at once.
fn showing(numbers: &[u16]) -> Pair {
    let pair = Pair::fencing(target_config(1));
    pair.array.lock().longest = 0;
    pair.array.lock().shown = luns(numbers);
    pair
}

#[test]
fn nobody_is_admitted_before_the_fence_and_commands_of_each_lun_wait_for_theirs() {
    let mut pair = showing(&[0, 1]);
    pair.submit(write_to(0, 1));
    pair.pass(SECOND);
    assert!(!pair.refusals.is_empty() && pair.refusals.iter().all(|it| it.cause == RefusalCause::Fencing));
    pair.target.report_luns(pair.now);
    pair.turn();
    assert_eq!(pair.news, [News::LunsReported(luns(&[0, 1]))]);
    pair.target.admit(&luns(&[0]), pair.now);
    pair.submit(write_to(1, 2));
    pair.submit(write_to(0, 3));
    pair.submit(write_to(2, 4));
    pair.pass(SECOND);
    pair.pass(SECOND);
    assert_eq!([1, 2, 3, 4].map(|it| pair.given(it)), [1, 0, 1, 0]);
    let absent = pair.completed.iter().find(|it| it.0 == CommandNumber(4)).expect("answered");
    assert_eq!(absent.1.sense_code(), Some(SenseCode::LUN_NOT_SUPPORTED));
    pair.target.admit(&luns(&[1]), pair.now);
    pair.pass(MS);
    assert_eq!(pair.given(2), 1);
    assert_eq!(pair.target.counters().commands, 3);
    assert_eq!(pair.target.counters().written_octets, 3 * 512);
}

#[test]
fn what_may_have_appeared_waits_until_the_list_is_read_and_the_agent_looks_again() {
    let mut pair = showing(&[0]);
    pair.target.admit(&luns(&[0]), pair.now);
    pair.pass(SECOND);
    pair.array.change_luns(luns(&[0, 1]));
    pair.pass(MS);
    assert!(pair.news.contains(&News::LunsChanged));
    pair.submit(write_to(1, 1));
    let number = pair.submit(Command::reading(lun(1), Cdb::inquiry(36), 36));
    pair.pass(MS);
    assert!(pair.answers().is_empty(), "{number:?} waits too: the unit has had no fence");
    pair.target.report_luns(pair.now);
    pair.pass(MS);
    assert!(pair.at_agent.contains(&Body::Notice(Notice::LunsChanged)));
    assert_eq!(pair.given(1), 0);
    pair.target.admit(&luns(&[1]), pair.now);
    pair.pass(MS);
    assert_eq!(pair.given(1), 1);
}

#[test]
fn a_reset_of_the_home_ends_what_was_there_with_an_outcome_that_nobody_knows() {
    let mut pair = showing(&[0]);
    pair.target.admit(&luns(&[0]), pair.now);
    pair.pass(SECOND);
    pair.array.lock().longest = 1000 * SECOND;
    let number = pair.submit(write_to(0, 1));
    pair.array.lock().longest = 0;
    pair.target.withdraw(&luns(&[0]), pair.now);
    pair.target.reset(lun(0), pair.now);
    pair.pass(MS);
    assert!(pair.news.contains(&News::Reset { lun: lun(0), answer: TaskAnswer::Complete }));
    assert_eq!(pair.completed, [(number, outcome_unknown())]);
}

#[test]
fn what_a_function_of_the_agent_ended_of_the_homes_own_is_asked_again() {
    let mut pair = showing(&[0]);
    pair.target.admit(&luns(&[0]), pair.now);
    pair.pass(SECOND);
    pair.array.lock().longest = 1000 * SECOND;
    pair.target.report_luns(pair.now);
    pair.array.lock().longest = 0;
    pair.agent.manage(TaskManagement { lun: lun(0), function: TaskFunction::LunReset }, pair.now).expect("taken");
    for _ in 0..3 {
        pair.pass(MS);
    }
    assert_eq!(pair.news, [News::LunsReported(luns(&[0]))]);
}

#[test]
fn a_session_whose_target_lost_a_question_ends_and_a_reset_is_waited_for() {
    let mut pair = showing(&[0]);
    pair.array.lock().longest = 1000 * SECOND;
    pair.target.reset(lun(0), pair.now);
    pair.pass(20 * SECOND);
    pair.pass(20 * SECOND);
    assert_eq!(pair.news, [News::ResetUnanswered(lun(0))]);
    pair.target.test_unit_ready(lun(0), pair.now);
    pair.pass(9 * SECOND);
    assert_eq!(pair.ended, 0);
    assert!(pair.target.next_deadline().is_some_and(|it| it <= pair.now + SECOND));
    pair.pass(SECOND);
    assert_eq!(pair.ended, 1);
}

#[test]
fn a_home_that_holds_answers_what_is_at_the_san_and_sends_nothing_new() {
    let mut pair = showing(&[0]);
    pair.target.admit(&luns(&[0]), pair.now);
    pair.pass(SECOND);
    pair.array.lock().longest = SECOND;
    pair.submit(write_to(0, 1));
    pair.target.hold();
    pair.submit(write_to(0, 2));
    assert!(pair.news.is_empty());
    for _ in 0..1100 {
        pair.pass(MS);
    }
    assert_eq!((pair.answers(), pair.given(2), pair.news.as_slice()), (vec![1], 0, &[News::Drained][..]));
    assert!(pair.at_agent.contains(&Body::Notice(Notice::HomeLeaving)));
}
