//! Whom a home admits.

use bytes::Bytes;
use twinrail_datapath::commands::target::{Effect, TargetConfig};
use twinrail_datapath::commands::{Initiator, LinkId, Parcel, Target};
use twinrail_datapath::scsi::{Lun, TaskFunction, TaskManagement};
use twinrail_proto::domain::{AdapterId, Epoch};
use twinrail_proto::rail::command::{Acknowledge, Attach, Attribute, Body, Command, CommandNumber, Head, RefusalCause};
use twinrail_proto::rail::{ClusterTag, Incarnation};

use crate::array::Array;
use crate::pair::{MS, Pair, SECOND, agent_config, server, serving, target_config, write};

fn attach() -> Attach {
    Attach {
        cluster: ClusterTag::of("lab"),
        server: server("s1"),
        incarnation: Incarnation::from_random(1),
        attempt: 1,
        first: CommandNumber(1),
        first_function: 1,
    }
}

/// What the target says to an attachment by a link of its own.
fn answer(target: &mut Target, link: u64, epoch: u64, attach: &Attach, peer: &str) -> Option<RefusalCause> {
    target.attach(LinkId(link), Epoch(epoch), attach, &server(peer), 0);
    let said = target.effects().into_iter().find_map(|it| match it {
        Effect::Send { link: to, parcel } if to == LinkId(link) => Some(parcel.head.body),
        _ => None,
    });
    match said.expect("an answer") {
        Body::Attached(_) => None,
        Body::Refused(refused) => Some(refused.cause),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_bound_servers_newest_agent_of_this_epoch_is_admitted() {
    let mut target = serving(target_config(5), Array::new(1).log_in(5));
    let foreign = Attach { cluster: ClusterTag::of("other"), ..attach() };
    assert_eq!(answer(&mut target, 1, 5, &foreign, "s1"), Some(RefusalCause::OtherCluster));
    let other = Attach { server: server("s2"), ..attach() };
    assert_eq!(answer(&mut target, 2, 5, &other, "s2"), Some(RefusalCause::NotBound));
    assert_eq!(answer(&mut target, 3, 5, &attach(), "s2"), Some(RefusalCause::NotBound), "says that it is s1");
    assert_eq!(answer(&mut target, 4, 4, &attach(), "s1"), Some(RefusalCause::NewerEpoch));
    assert_eq!(answer(&mut target, 5, 6, &attach(), "s1"), Some(RefusalCause::NotHome));
    assert_eq!(answer(&mut target, 6, 5, &attach(), "s1"), None);
    assert_eq!(answer(&mut target, 7, 5, &attach(), "s1"), Some(RefusalCause::Replaced), "the same attempt");
    let restarted = Attach { incarnation: Incarnation::from_random(2), ..attach() };
    assert_eq!(answer(&mut target, 8, 5, &restarted, "s1"), None);
    let late = Attach { attempt: 9, ..attach() };
    assert_eq!(answer(&mut target, 9, 5, &late, "s1"), Some(RefusalCause::Replaced), "the former agent");
    assert_eq!(target.link(), Some(LinkId(8)));
    target.pause(RefusalCause::NoLease);
    let again = Attach { attempt: 2, ..restarted };
    assert_eq!(answer(&mut target, 10, 5, &again, "s1"), Some(RefusalCause::NoLease));
}

fn command(number: u64) -> Command {
    let mut cdb = [0; 16];
    cdb[0] = 0x88;
    let (number, attribute) = (CommandNumber(number), Attribute::Simple);
    Command { number, lun: [0; 8], cdb, cdb_length: 16, attribute, data_in_length: 0, data_out_length: 0 }
}

/// Whether the connection survives this, sent by a target's agent.
fn survives(config: TargetConfig, bodies: Vec<Body>) -> bool {
    let mut target = serving(config, Array::new(1).log_in(5));
    assert_eq!(answer(&mut target, 1, 5, &attach(), "s1"), None);
    for body in bodies {
        let head = Head { adapter: AdapterId(5), epoch: Epoch(5), body };
        target.received(LinkId(1), Parcel { head, data: Bytes::new() }, 0);
    }
    target.link().is_some()
}

#[test]
fn an_agent_that_breaks_order_or_credit_loses_its_connection() {
    let commands = |numbers: &[u64]| numbers.iter().map(|&it| Body::Command(command(it))).collect::<Vec<_>>();
    assert!(survives(target_config(5), commands(&[1, 3, 3, 7])), "again, and with gaps");
    assert!(!survives(target_config(5), commands(&[1, 3, 2])));
    assert!(survives(target_config(5), commands(&(1..=128).collect::<Vec<_>>())));
    assert!(!survives(target_config(5), commands(&(1..=129).collect::<Vec<_>>())), "beyond its credit");
    let acknowledge = Body::Acknowledge(Acknowledge { commands: CommandNumber(1), functions: 0 });
    assert!(!survives(target_config(5), vec![acknowledge]), "of what was never sent");
    assert!(!survives(target_config(5), vec![Body::Attach(attach())]), "attached already");
}

#[test]
fn a_new_agents_commands_wait_for_those_of_its_predecessor() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 0;
    pair.array.lock().depth = 1;
    pair.agent.submit(write(1), pair.now).expect("taken");
    pair.array.lock().longest = 10 * SECOND;
    while pair.given(1) == 0 {
        pair.pass(1);
    }
    let due = pair.target.next_deadline().expect("the command's end");
    pair.array.lock().longest = 0;
    pair.agent = Initiator::new(agent_config(2));
    pair.set_home(1);
    pair.submit(write(2));
    pair.now = pair.now.max(due.saturating_sub(1));
    let waiting = pair.given(2);
    for _ in 0..20_000 {
        pair.pass(MS);
    }
    assert_eq!((waiting, pair.given(2), pair.answers()), (0, 1, vec![1]), "the new agent's first");
}

#[test]
fn what_a_predecessors_function_ended_is_not_waited_for() {
    let mut pair = Pair::new();
    pair.array.lock().longest = 1000 * SECOND;
    pair.submit(write(1));
    while pair.given(1) == 0 {
        pair.pass(1);
    }
    pair.array.lock().longest = SECOND;
    let request = TaskManagement { lun: Lun::ZERO, function: TaskFunction::LunReset };
    pair.agent.manage(request, pair.now).expect("taken");
    pair.turn();
    pair.agent = Initiator::new(agent_config(2));
    pair.set_home(1);
    pair.submit(write(2));
    pair.array.lock().longest = 0;
    for _ in 0..1100 {
        pair.pass(MS);
    }
    assert_eq!((pair.given(2), pair.answers()), (1, vec![1]));
}
