//! Epochs, leases, holds, announcements and rails that fail, over rails and edges in memory.

use std::net::IpAddr;

use crate::world::{MS, World, carried, frame, server_rails, used};
use twinrail_datapath::arena::Arena;
use twinrail_datapath::head::Head;
use twinrail_datapath::rail::Outgoing;
use twinrail_datapath::rail::chaos::Fault;
use twinrail_datapath::{Carry, Cause, DownCause, Event};
use twinrail_proto::domain::{AdapterId, Epoch, Rail, VlanMode};
use twinrail_proto::rail::{ClusterTag, Header, Incarnation, Kind, RecordHeader};

const HOST: u32 = 99;

/// Sends a frame as a machine with this address would, whatever its own engine thinks of it.
fn forge(world: &World, from: IpAddr, cluster: &str, adapter: u32, epoch: u64, body: &[u8]) {
    let [mut sender, _] = world.attach(from).senders;
    let header =
        Header { kind: Kind::Frames, cluster: ClusterTag::of(cluster), incarnation: Incarnation::from_random(1) };
    let record = RecordHeader { adapter: AdapterId(adapter), epoch: Epoch(epoch), ready: false };
    let head = Head::EMPTY.with(&header.encode()).with(&record.encode(body.len())).with(body);
    let mut arena = Arena::new(1);
    sender.post(&mut arena, Outgoing { to: [10, 1, 0, 1].into(), limit: 65_507, head, body: None });
    sender.flush(&mut arena, world.now());
}

#[test]
fn only_the_bound_server_with_the_epoch_of_now_is_heard() {
    let mut world = World::small(1);
    let body = frame(1, HOST, None, b"forged");
    let (one, two) = (server_rails(0).a, server_rails(1).a);
    let forged = [
        (two, "world", 1, 1, Cause::WrongServer),
        (one, "world", 1, 0, Cause::StaleEpoch),
        (one, "world", 1, 2, Cause::FutureEpoch),
        (one, "world", 7, 1, Cause::UnknownAdapter),
        (one, "other", 1, 1, Cause::OtherCluster),
        ([10, 1, 0, 250].into(), "world", 1, 1, Cause::UnknownPeer),
    ];
    for (from, cluster, adapter, epoch, cause) in forged {
        let before = world.dropped(cause);
        forge(&world, from, cluster, adapter, epoch, &body);
        world.run(2 * MS);
        assert_eq!(world.dropped(cause), before + 1, "{cause:?}");
    }
    assert!(World::taken(&world.port(0)).is_empty());
    forge(&world, one, "world", 1, 1, &body);
    world.run(2 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![body], "the very same frame, rightly sent");
}

#[test]
fn a_server_takes_frames_from_the_home_with_its_epoch_only() {
    let mut world = World::small(2);
    world.add_director();
    world.publish_director(1, vec![carried(1, 1, VlanMode::Native, 0)]);
    world.publish_server(0, vec![used(1, 1, Some(0))]);
    world.run(100 * MS);
    world.clear();
    // Another director believes that it is the home, with the same epoch: the server has not heard of that.
    forge_ready(&world, 1);
    world.port(1).put(frame(HOST, 1, None, b"not the home"));
    world.run(5 * MS);
    assert_eq!(world.dropped_at_server(0, Cause::WrongHome), 1);
    world.publish_server(0, vec![used(1, 2, Some(1))]);
    world.port(0).put(frame(HOST, 1, None, b"the former home"));
    world.run(5 * MS);
    assert_eq!(world.dropped_at_server(0, Cause::StaleEpoch), 1);
    assert!(World::taken(&world.device(0, 1)).is_empty());
}

/// Tells director 1 that server 0 is ready for epoch 1 of adapter 1.
fn forge_ready(world: &World, director: u8) {
    let [mut sender, _] = world.attach(server_rails(0).a).senders;
    let (kind, cluster) = (Kind::Frames, ClusterTag::of("world"));
    let header = Header { kind, cluster, incarnation: Incarnation::from_random(1) };
    let record = RecordHeader { adapter: AdapterId(1), epoch: Epoch(1), ready: true };
    let head = Head::EMPTY.with(&header.encode()).with(&record.encode(0));
    let mut arena = Arena::new(1);
    sender.post(&mut arena, Outgoing { to: [10, 1, 0, 1 + director].into(), limit: 65_507, head, body: None });
    sender.flush(&mut arena, world.now());
}

#[test]
fn frames_wait_until_the_server_is_ready_for_the_new_epoch() {
    let mut world = World::small(3);
    world.add_director();
    world.publish_server(0, vec![used(1, 1, Some(0))]);
    world.run(50 * MS);
    // Director 1 takes over with the next epoch before the server knows.
    world.publish_director(0, vec![]);
    world.publish_director(1, vec![carried(1, 2, VlanMode::Native, 0)]);
    let sent: Vec<_> = (0..20).map(|number| frame(HOST, 1, None, &[number; 100])).collect();
    sent.iter().for_each(|it| world.port(1).put(it.clone()));
    world.run(30 * MS);
    assert!(World::taken(&world.device(0, 1)).is_empty());
    world.publish_server(0, vec![used(1, 2, Some(1))]);
    world.run(20 * MS);
    assert_eq!(World::taken(&world.device(0, 1)), sent, "all of them, in order");
    assert_eq!(world.dropped_at_server(0, Cause::FutureEpoch), 0);
}

#[test]
fn a_planned_move_loses_nothing_towards_the_server() {
    let mut world = World::small(4);
    let held = |state| vec![twinrail_datapath::DirectorAdapter { state, ..carried(1, 1, VlanMode::Native, 0) }];
    world.publish_director(0, held(Carry::Hold));
    world.device(0, 1).put(frame(1, HOST, None, b"too late"));
    let sent: Vec<_> = (0..50).map(|number| frame(HOST, 1, None, &[number; 60])).collect();
    sent[..25].iter().for_each(|it| world.port(0).put(it.clone()));
    world.run(10 * MS);
    assert_eq!(world.dropped(Cause::Released), 1);
    world.publish_server(0, vec![]);
    world.run(10 * MS);
    world.publish_director(0, vec![carried(1, 2, VlanMode::Native, 1)]);
    sent[25..].iter().for_each(|it| world.port(0).put(it.clone()));
    world.run(10 * MS);
    world.publish_server(1, vec![used(1, 2, Some(0)), used(2, 1, Some(0))]);
    world.run(20 * MS);
    assert_eq!(World::taken(&world.device(1, 1)), sent);
    assert!(World::taken(&world.device(0, 1)).is_empty());
}

#[test]
fn nothing_is_carried_without_a_lease() {
    let mut world = World::small(5);
    world.leases = false;
    world.run(1400 * MS);
    world.device(0, 1).put(frame(1, HOST, None, b"still leased"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)).len(), 1);
    world.run(200 * MS);
    world.device(0, 1).put(frame(1, HOST, None, b"out"));
    world.port(0).put(frame(HOST, 1, None, b"in"));
    world.run(5 * MS);
    assert!(World::taken(&world.port(0)).is_empty() && World::taken(&world.device(0, 1)).is_empty());
    assert!(world.dropped(Cause::LeaseExpired) >= 2);
    let stopped = world.directors[0].events.lock().unwrap().iter().any(|(_, it)| *it == Event::Stopped);
    assert!(stopped, "it says so");
}

#[test]
fn a_process_that_was_stopped_drops_what_had_waited() {
    let mut world = World::small(6);
    world.directors[0].stopped = true;
    world.leases = false;
    world.device(0, 1).put(frame(1, HOST, None, b"queued at the rail"));
    world.port(0).put(frame(HOST, 1, None, b"queued at the port"));
    world.run(5 * MS);
    world.run(500 * MS);
    world.directors[0].stopped = false;
    world.run(5 * MS);
    assert!(World::taken(&world.port(0)).is_empty() && World::taken(&world.device(0, 1)).is_empty());
    assert!(world.dropped(Cause::Stalled) >= 2);
    // The lease has not ended, but it was asked for before the stall.
    world.run(50 * MS);
    world.device(0, 1).put(frame(1, HOST, None, b"later"));
    world.run(5 * MS);
    assert!(World::taken(&world.port(0)).is_empty());
    world.leases = true;
    world.run(50 * MS);
    world.device(0, 1).put(frame(1, HOST, None, b"renewed"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)).len(), 1);
}

/// A new lease comes at once, faster than the sockets can be emptied: what had waited is old all the same.
#[test]
fn a_new_lease_does_not_make_old_frames_young() {
    let mut world = World::small(11);
    world.directors[0].stopped = true;
    // Too large to be packed: each is a message of its own, and there are many batches of them.
    for number in 0..200u8 {
        world.device(0, 1).put(frame(1, HOST, None, &[number; 5000]));
        world.port(0).put(frame(HOST, 1, None, &[number; 5000]));
    }
    world.run(20 * MS);
    world.run(500 * MS);
    world.directors[0].stopped = false;
    world.run(200 * MS);
    assert_eq!((World::taken(&world.port(0)).len(), World::taken(&world.device(0, 1)).len()), (0, 0));
    assert!(world.dropped(Cause::Stalled) >= 400, "{} were counted", world.dropped(Cause::Stalled));
    world.device(0, 1).put(frame(1, HOST, None, b"young"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![frame(1, HOST, None, b"young")]);
}

#[test]
fn announcements_repeat_on_schedule_with_every_epoch() {
    let mut world = World::small(7);
    for epoch in [2, 3] {
        world.run(5000 * MS);
        world.clear();
        world.publish_server(0, vec![used(1, epoch, Some(0))]);
        world.publish_director(0, vec![carried(1, epoch, VlanMode::Access(crate::world::vlan(10)), 0)]);
        // The server says that it is ready at its next tick, up to 10 ms later.
        assert_announced(&announced(&mut world), &[0, 5, 20, 50, 100, 250, 500, 1000, 2000], 13);
    }
}

/// The server is not ready for the epoch: whoever is on the LAN must find the adapter all the same, a little later; and again
/// when there is somebody to be found.
#[test]
fn announcements_do_not_wait_for_a_server_for_ever() {
    let mut world = World::small(7);
    let carry = |epoch| vec![carried(1, epoch, VlanMode::Access(crate::world::vlan(10)), 0)];
    world.publish_director(0, carry(2));
    assert_announced(&announced(&mut world), &[50], 3);
    world.publish_server(0, vec![used(1, 2, Some(0))]);
    assert_announced(&announced(&mut world), &[0, 15, 45, 95, 245, 495, 995, 1995], 22);
}

/// It may be that the server has another home by now, which announces as well.
#[test]
fn a_home_that_was_cut_off_from_the_server_does_not_announce() {
    let mut world = World::small(8);
    world.publish_server(0, vec![used(1, 2, Some(0))]);
    world.publish_director(0, vec![carried(1, 2, VlanMode::Access(crate::world::vlan(10)), 0)]);
    world.run(300 * MS);
    world.clear();
    world.set_faults(&[(None, None, Fault::CutIn)]);
    assert_announced(&announced(&mut world), &[], 0);
    world.set_faults(&[]);
    assert_announced(&announced(&mut world), &[0, 500, 1500], 60);
}

/// When announcements come, in ms from now on, within 3 s.
fn announced(world: &mut World) -> Vec<u64> {
    let from = world.now();
    let mut seen = Vec::new();
    for _ in 0..3000 {
        world.run(MS);
        for bytes in World::announcements(&world.port(0)) {
            let head = [&[0xff; 6][..], &crate::world::mac(1).octets(), &[0x81, 0, 0, 10, 0x80, 0x35]].concat();
            assert_eq!(bytes[10..28], head);
            seen.push((world.now() - from) / MS);
        }
    }
    seen
}

fn assert_announced(seen: &[u64], due: &[u64], late: u64) {
    assert_eq!(seen.len(), due.len(), "{seen:?}");
    assert!(seen.iter().zip(due).all(|(at, &due)| (due..=due + late).contains(at)), "{seen:?}");
}

#[test]
fn a_cut_rail_is_noticed_in_time_and_all_goes_by_the_other() {
    let mut world = World::small(9);
    let cut = world.now();
    world.set_faults(&[(Some(Rail::A), None, Fault::CutIn)]);
    world.run(60 * MS);
    for (at, event) in world.servers[0].events.lock().unwrap().iter().filter(|it| it.0 > cut) {
        let Event::PathDown { rail, cause, .. } = event else { panic!("{event:?}") };
        assert_eq!((*rail, *cause), (Rail::A, DownCause::Silent));
        assert!((20..=41).contains(&((at - cut) / MS)), "after {} ms", (at - cut) / MS);
    }
    let sent: Vec<_> = (0..100).map(|number| frame(1, HOST, None, &[number; 40])).collect();
    sent.iter().for_each(|it| world.device(0, 1).put(it.clone()));
    world.run(10 * MS);
    assert_eq!(World::taken(&world.port(0)), sent);
    world.set_faults(&[]);
    world.run(60 * MS);
    assert!(world.servers[0].datapath.paths().iter().all(|it| it.up && it.round_trip_ns.is_some()));
}

#[test]
fn a_path_that_works_one_way_only_is_down_at_both_ends() {
    let mut world = World::small(10);
    // The director does not hear server 0 on rail B; the server hears the director.
    world.set_faults(&[(Some(Rail::B), Some(server_rails(0).b), Fault::CutIn)]);
    world.run(100 * MS);
    let at_server = world.servers[0].datapath.paths();
    let at_director = world.directors[0].datapath.paths();
    assert_eq!(at_server.iter().map(|it| it.up).collect::<Vec<_>>(), [true, false]);
    assert_eq!(at_director.iter().map(|it| it.up).collect::<Vec<_>>(), [true, false, true, true]);
    let unheard = |(_, event): &(u64, Event)| matches!(event, Event::PathDown { cause: DownCause::Unheard, .. });
    assert!(world.servers[0].events.lock().unwrap().iter().any(unheard));
}

#[test]
fn a_bad_fabric_loses_and_repeats_but_never_invents() {
    for seed in 0..20 {
        let mut world = World::small(100 + seed);
        world.set_faults(&[
            (None, None, Fault::Drop { chance: 0.1 }),
            (None, None, Fault::Duplicate { chance: 0.1 }),
            (None, None, Fault::Reorder { chance: 0.2, by: MS }),
            (None, None, Fault::Delay { at_least: 0, at_most: 2 * MS }),
        ]);
        let sent: Vec<_> = (0..200u8).map(|number| frame(1, HOST, None, &[number; 90])).collect();
        for bytes in &sent {
            world.device(0, 1).put(bytes.clone());
            world.run(MS);
        }
        world.run(20 * MS);
        let arrived = World::taken(&world.port(0));
        assert!(arrived.iter().all(|it| sent.contains(it)), "seed {seed}");
        let different = sent.iter().filter(|it| arrived.contains(it)).count();
        assert!((120..200).contains(&different), "seed {seed}: {different} of 200 arrived");
        assert!(arrived.len() > different, "seed {seed}: some came twice");
    }
}
