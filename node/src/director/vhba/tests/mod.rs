//! What a home does and does not do, whatever befalls it.

mod world;

use twinrail_datapath::commands::initiator::outcome_unknown;
use twinrail_datapath::san::chaos::SanFaults;
use twinrail_datapath::scsi::{Cdb, Command, Lun};
use twinrail_failover::takeover::{FencedBy, Phase};
use twinrail_proto::rail::command::RefusalCause;

use super::table::{HomedVhba, Port};
use world::{LEASE, MS, World};

const NONE: SanFaults = SanFaults {
    slow_write: 0.0,
    slow_write_for: 0,
    login_after: 0,
    login_waits_for_writes: false,
    end_session: 0.0,
    lose_answer: 0.0,
};
const SLOW: SanFaults = SanFaults { slow_write: 1.0, slow_write_for: 400 * MS, ..NONE };

/// Director 1 is home in epoch 1, and has admitted the agent.
fn admitted(test: u8) -> World {
    admitted_in(World::new(test))
}

fn admitted_in(mut world: World) -> World {
    world.move_home(1, 1);
    world.until("admitted", |it| it.directors[&1].admits());
    let number = world.write(9, 9);
    assert!(world.answered(number).is_good());
    world
}

fn compare_and_write(lba: u64) -> Command {
    Command::sending(Lun::ZERO, Cdb::compare_and_write(lba, 1), vec![0; 1024])
}

#[test]
fn commands_pass_when_the_fence_is_over_and_a_round_that_began_after_the_login_has_said_so() {
    let mut world = World::new(1);
    world.pass(20 * MS);
    let now = world.now();
    world.directors.get_mut(&1).unwrap().granted = false;
    world.move_home(1, 1);
    let number = world.write(0, 1);
    world.until("in confirmation", |it| it.directors[&1].facts().phase == "confirmation");
    world.pass(200 * MS);
    assert!(!world.directors[&1].admits() && world.block(0) == 0);
    assert!(world.refusals.contains(&RefusalCause::Fencing), "{:?}", world.refusals);
    world.directors[&1].grant(now);
    world.pass(50 * MS);
    assert!(!world.directors[&1].admits(), "a grant that was asked for before the login says nothing");
    world.directors.get_mut(&1).unwrap().granted = true;
    assert!(world.answered(number).is_good());
    world.pass(200 * MS);
    let facts = world.directors[&1].facts();
    assert_eq!((world.block(0), facts.phase, facts.logins, facts.sessions_lost), (1, "admitted", 1, 0));
    assert_eq!((facts.counters.commands, facts.counters.written_octets, facts.held), (1, 512, 1));
    assert!(facts.phases.iter().any(|(phase, took)| *phase == Phase::Confirmation && took.as_millis() >= 200));
}

/// What is on the disk after a takeover from a director that has a write held up in the array.
fn after_a_takeover(test: u8, skip_fence: bool) -> u8 {
    let mut world = admitted_in(World::with(test, skip_fence));
    world.san.set(SLOW);
    let first = world.write(0, 1);
    world.until("held up", |it| it.san.held() == 1);
    world.san.set(NONE);
    world.directors.get_mut(&1).unwrap().stopped = true;
    world.move_home(2, 2);
    assert!(world.answered(first).is_good(), "replayed");
    let second = world.write(0, 2);
    assert!(world.answered(second).is_good());
    world.pass(2 * SLOW.slow_write_for);
    world.block(0)
}

#[test]
fn nothing_of_the_former_home_overwrites_what_was_acknowledged_by_the_next() {
    assert_eq!(after_a_takeover(2, false), 2);
}

#[test]
fn without_the_fence_it_does() {
    assert_eq!(after_a_takeover(3, true), 1);
}

#[test]
fn a_director_that_was_stopped_reads_nothing_before_it_knows_that_it_is_still_the_home() {
    for still_home in [true, false] {
        let mut world = admitted(4);
        world.directors.get_mut(&1).unwrap().stopped = true;
        let number = world.write(0, 1);
        world.pass(LEASE / 2);
        let director = world.directors.get_mut(&1).unwrap();
        (director.stopped, director.granted) = (false, false);
        world.pass(LEASE / 4);
        assert_eq!((world.block(0), world.directors[&1].facts().logins), (0, 1));
        assert!(!world.completed.contains_key(&number));
        if still_home {
            world.directors.get_mut(&1).unwrap().granted = true;
            assert!(world.answered(number).is_good());
            assert_eq!((world.block(0), world.directors[&1].facts().logins), (1, 1), "in the same session");
        } else {
            world.apply(1, None);
            world.directors.get_mut(&1).unwrap().granted = true;
            world.pass(LEASE);
            assert_eq!(world.block(0), 0);
        }
    }
}

#[test]
fn a_director_that_slept_through_its_lease_has_no_session_when_it_wakes() {
    let mut world = admitted(5);
    world.directors.get_mut(&1).unwrap().stopped = true;
    let number = world.write(0, 1);
    world.pass(2 * LEASE);
    let director = world.directors.get_mut(&1).unwrap();
    (director.stopped, director.granted) = (false, false);
    world.pass(LEASE);
    let facts = world.directors[&1].facts();
    assert_eq!((world.block(0), facts.phase, facts.admitted), (0, "lapsed", false));
    world.directors.get_mut(&1).unwrap().granted = true;
    assert!(world.answered(number).is_good());
    assert_eq!(world.directors[&1].facts().logins, 2);
}

#[test]
fn a_lease_that_lapses_and_comes_back_in_the_same_epoch_begins_with_a_fence() {
    let mut world = admitted(6);
    world.san.set(SanFaults { slow_write_for: 10 * LEASE, ..SLOW });
    let (write, conditional) = (world.write(0, 1), world.submit(compare_and_write(1)));
    world.until("held up", |it| it.san.held() == 2);
    world.san.set(NONE);
    world.directors.get_mut(&1).unwrap().granted = false;
    world.until("lapsed", |it| it.directors[&1].facts().phase == "lapsed");
    world.pass(100 * MS);
    assert!(!world.directors[&1].admits());
    world.directors.get_mut(&1).unwrap().granted = true;
    assert!(world.answered(write).is_good(), "replayed");
    assert_eq!(world.answered(conditional), outcome_unknown());
    assert_eq!((world.block(0), world.san.held(), world.directors[&1].facts().logins), (1, 0, 2));
}

#[test]
fn a_session_that_is_lost_with_commands_in_flight_is_fenced_and_the_commands_replayed() {
    let mut world = admitted(7);
    world.san.set(SanFaults { end_session: 1.0, ..NONE });
    let (write, conditional) = (world.write(0, 1), world.submit(compare_and_write(1)));
    world.until("lost", |it| it.directors[&1].facts().sessions_lost > 0);
    world.san.set(NONE);
    assert!(world.answered(write).is_good());
    world.answered(conditional);
    let facts = world.directors[&1].facts();
    assert_eq!((world.block(0), facts.logins), (1, facts.sessions_lost + 1));
}

#[test]
fn a_home_whose_process_is_started_again_in_the_same_epoch_is_another_one_to_the_agent() {
    let mut world = admitted(8);
    world.san.set(SanFaults { slow_write_for: 10 * LEASE, ..SLOW });
    let (write, conditional) = (world.write(0, 1), world.submit(compare_and_write(1)));
    world.until("held up", |it| it.san.held() == 2);
    world.san.set(NONE);
    world.restart(1);
    let homed = world.homed(1, 1);
    world.apply(1, Some(homed));
    assert!(world.answered(write).is_good());
    assert_eq!(world.answered(conditional), outcome_unknown());
    assert_eq!(world.san.held(), 0);
}

#[test]
fn two_homes_do_not_go_on_ending_each_others_sessions() {
    let mut world = admitted(9);
    world.directors.get_mut(&1).unwrap().granted = false;
    world.move_home(2, 2);
    let number = world.write(0, 1);
    assert!(world.answered(number).is_good());
    world.pass(LEASE / 2);
    let [old, new] = [1, 2].map(|it| world.directors[&it].facts());
    assert_eq!((old.logins, old.sessions_lost, old.admitted), (1, 1, false), "{old:?}");
    assert_eq!((new.logins, new.sessions_lost, new.admitted), (1, 0, true), "{new:?}");
    assert!(old.problem.contains("replaced"), "{}", old.problem);
}

#[test]
fn another_port_is_another_login_and_a_fence_that_does_not_trust_it() {
    let mut world = World::new(10);
    let homed = HomedVhba { fenced_by: FencedBy::Login, ..world.homed(1, 1) };
    world.apply(1, Some(homed.clone()));
    world.tell_agent(1, 1);
    world.until("admitted", |it| it.directors[&1].admits());
    world.san.set(SanFaults { slow_write_for: 10 * LEASE, ..SLOW });
    let write = world.write(0, 1);
    world.until("held up", |it| it.san.held() == 1);
    world.san.set(NONE);
    world.directors.get_mut(&1).unwrap().generation = 2;
    let other = HomedVhba { port: world.homed(1, 1).port, ..homed };
    world.apply(1, Some(other));
    assert!(world.answered(write).is_good());
    assert_eq!((world.san.held(), world.directors[&1].facts().logins), (0, 2));
}

#[test]
fn a_port_that_cannot_be_used_is_said_and_waited_for() {
    let mut world = World::new(11);
    let port = Port::Unusable { problem: "the files are gone".into() };
    let homed = HomedVhba { port, ..world.homed(1, 1) };
    world.apply(1, Some(homed));
    world.tell_agent(1, 1);
    let number = world.write(0, 1);
    world.pass(300 * MS);
    let facts = world.directors[&1].facts();
    assert_eq!((facts.phase, facts.problem.as_str()), ("idle", "the files are gone"));
    let homed = world.homed(1, 1);
    world.apply(1, Some(homed));
    assert!(world.answered(number).is_good());
    assert_eq!(world.directors[&1].facts().problem, "");
}

#[test]
fn what_is_let_go_finishes_what_is_at_the_array_and_sends_nothing_new() {
    let mut world = admitted(12);
    world.san.set(SLOW);
    let first = world.write(0, 1);
    world.until("held up", |it| it.san.held() == 1);
    world.san.set(NONE);
    let homed = HomedVhba { letting_go: true, ..world.homed(1, 1) };
    world.apply(1, Some(homed.clone()));
    world.turn();
    assert!(world.directors[&1].adopted() && !world.directors[&1].admits());
    let second = world.write(1, 1);
    assert!(world.answered(first).is_good());
    world.pass(LEASE);
    assert_eq!((world.block(0), world.block(1)), (1, 0));
    assert!(!world.completed.contains_key(&second));
    let kept = HomedVhba { letting_go: false, ..homed };
    world.apply(1, Some(kept));
    assert!(world.answered(second).is_good(), "it was kept after all");
}

#[test]
fn a_late_login_is_waited_for_and_a_session_that_lost_an_answer_is_given_up() {
    let mut world = World::new(13);
    world.san.set(SanFaults { login_after: 2 * LEASE, lose_answer: 1.0, ..NONE });
    world.move_home(1, 1);
    world.pass(LEASE);
    let facts = world.directors[&1].facts();
    assert_eq!((facts.phase, facts.logins), ("login", 0));
    assert!(facts.problem.contains("login"), "{}", facts.problem);
    world.until("given up", |it| it.directors[&1].facts().sessions_lost == 1);
    world.san.set(NONE);
    world.until("admitted", |it| it.directors[&1].admits());
}

#[test]
fn a_login_that_is_denied_says_so_and_is_tried_again() {
    let mut world = World::new(14);
    let stranger = "50:01:43:80:00:00:00:99".parse().unwrap();
    let homed = HomedVhba { wwpn: stranger, ..world.homed(1, 1) };
    world.apply(1, Some(homed));
    world.pass(300 * MS);
    let facts = world.directors[&1].facts();
    assert!(facts.problem.contains("nothing is shown to"), "{}", facts.problem);
    assert_eq!((facts.phase, facts.logins), ("login", 0));
}

#[test]
fn who_is_no_home_any_more_refuses_and_has_no_session() {
    let mut world = admitted(15);
    world.apply(1, None);
    world.turn();
    assert!(world.directors[&1].adopted() && !world.directors[&1].admits());
    world.write(0, 1);
    world.refusals.clear();
    world.pass(300 * MS);
    assert!(world.refusals.contains(&RefusalCause::NotHome));
    assert_eq!((world.block(0), world.directors[&1].facts().logins), (0, 0));
}
