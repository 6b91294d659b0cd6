//! How the end of a path is noticed, and that it comes back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twinrail_datapath::rail::RailKind;
use twinrail_datapath::rail::verbs::VerbsConfig;
use twinrail_datapath::{Cause, DirectorConfig, DirectorDatapath, DirectorTable, DownCause, Event, Peer, RailsConfig};
use twinrail_proto::domain::{Name, Rail, RailAddresses};

use crate::machine::{Machine, connect, devices, until};

/// The process of a peer ends: its kernel refuses what comes for it, and the next one is connected anew.
#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_peer_that_ends_is_noticed_and_the_next_one_is_connected() {
    let [first, second] = devices();
    for (own, other) in [(1, 2), (2, 1)] {
        let (mut one, mut gone) = (Machine::new(own, &first, 128), Machine::new(other, &second, 128));
        connect(&mut one, &mut gone);
        let address = gone.address;
        drop(gone);
        let start = Instant::now();
        until("the refusal", || {
            one.greet(&[address]);
            one.receive();
            one.refused.contains(&address)
        });
        println!("noticed after {:?}", start.elapsed());
        assert!(one.count_of(Cause::RailClosed) == 1, "{:?}", one.causes);
        let mut next = Machine::new(other, &second, 128);
        connect(&mut one, &mut next);
    }
}

struct Director {
    datapath: DirectorDatapath,
    events: Arc<Mutex<Vec<Event>>>,
}

fn director(number: u8, kinds: [RailKind; 2]) -> Director {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let heard = Arc::clone(&events);
    // The guest's processors may stand still for longer than three hellos.
    let rails = RailsConfig { kinds, missed_hellos: 50, ..RailsConfig::new("guest", addresses(number)) };
    let config = DirectorConfig { rails, recorder: None };
    let datapath = DirectorDatapath::start(config, Box::new(move |event| heard.lock().unwrap().push(event))).unwrap();
    Director { datapath, events }
}

fn addresses(number: u8) -> RailAddresses {
    RailAddresses { a: [127, 1, 0, number].into(), b: [127, 2, 0, number].into() }
}

fn meet(director: &Director, peer: u8) {
    let peer = Peer { name: Name::new(format!("d{peer}")).unwrap(), rails: addresses(peer) };
    let table = DirectorTable { directors: vec![peer], servers: vec![], lans: vec![], adapters: vec![] };
    assert!(director.datapath.publish(table).problems.is_empty());
}

fn are_up(director: &Director, rails: &[Rail]) -> bool {
    director.datapath.paths().iter().filter(|it| rails.contains(&it.rail)).all(|it| it.up)
}

fn verbs(device: &str) -> RailKind {
    RailKind::Verbs(VerbsConfig { device: Some(device.into()), receives: 128, ..VerbsConfig::default() })
}

/// Real datapaths, threads and all: both rails over verbs, then one of them over UDP. One ends, and is noticed on both rails.
#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn both_rails_over_verbs_or_one_of_them() {
    let [first, second] = devices();
    for kinds in [
        [&first, &second].map(|it| [verbs(it), verbs(it)]),
        [&first, &second].map(|it| [verbs(it), RailKind::Udp]),
        [&first, &second].map(|it| [RailKind::Udp, verbs(it)]),
    ] {
        let [of_one, of_other] = kinds;
        let (one, other) = (director(1, of_one), director(2, of_other));
        meet(&one, 2);
        meet(&other, 1);
        let pause = || std::thread::sleep(Duration::from_millis(5));
        until("all paths", || {
            pause();
            are_up(&one, &Rail::ALL) && are_up(&other, &Rail::ALL)
        });
        std::thread::sleep(Duration::from_millis(500));
        let down =
            |it: &Director| it.events.lock().unwrap().iter().filter(|it| matches!(it, Event::PathDown { .. })).count();
        println!("paths went down {} and {} times while nothing happened", down(&one), down(&other));
        drop(other);
        until("both paths down", || {
            pause();
            one.datapath.paths().iter().all(|it| !it.up)
        });
        let events = one.events.lock().unwrap();
        let going = |it: &&Event| matches!(it, Event::PathDown { cause: DownCause::Going | DownCause::Refused, .. });
        assert!(events.iter().filter(going).count() >= 2, "{events:?}");
    }
}

/// One end takes the rail for one over UDP: no path, and the cause is counted at the other.
#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn ends_of_different_kinds_are_told_apart() {
    let [first, _] = devices();
    let one = director(1, [verbs(&first), RailKind::Udp]);
    let other = director(2, [RailKind::Udp, RailKind::Udp]);
    meet(&one, 2);
    meet(&other, 1);
    until("the causes", || {
        std::thread::sleep(Duration::from_millis(5));
        let counted = |it: &Director| it.datapath.counters().drops[&Cause::OtherRail] > 0;
        counted(&one) && counted(&other) && are_up(&one, &[Rail::B])
    });
    assert!(!are_up(&one, &[Rail::A]) && !are_up(&other, &[Rail::A]));
}
