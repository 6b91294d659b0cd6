//! The engines over rails and edges in memory: what goes in comes out, as it was, once, and only where it may.

use crate::world::{MS, World, carried, frame, frame_with, trunk, used, vlan};
use proptest::prelude::*;
use twinrail_datapath::Cause;
use twinrail_proto::domain::VlanMode;
use twinrail_proto::rail::{OffloadHeader, Segmentation};

const HOST: u32 = 99;

#[test]
fn frames_to_the_lan_and_back_are_the_same() {
    let mut world = World::small(1);
    let (out, back) = (frame(1, HOST, None, b"there"), frame(HOST, 1, None, b"and back"));
    world.device(0, 1).put(out.clone());
    world.port(0).put(back.clone());
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![out]);
    assert_eq!(World::taken(&world.device(0, 1)), vec![back]);
    assert!(World::taken(&world.device(1, 2)).is_empty());
}

#[test]
fn frames_between_adapters_of_one_lan_stay_at_the_director() {
    let mut world = World::small(2);
    let sent = frame(1, 2, None, b"neighbour");
    world.device(0, 1).put(sent.clone());
    world.run(5 * MS);
    assert_eq!(World::taken(&world.device(1, 2)), vec![sent]);
    assert!(World::taken(&world.port(0)).is_empty());
}

#[test]
fn a_broadcast_reaches_everybody_but_its_sender() {
    let mut world = World::small(3);
    let (ours, theirs) = (frame(1, 0, None, b"who has"), frame(HOST, 0, None, b"who else"));
    world.device(0, 1).put(ours.clone());
    world.run(5 * MS);
    world.port(0).put(theirs.clone());
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![ours.clone()]);
    assert_eq!(World::taken(&world.device(0, 1)), vec![theirs.clone()]);
    assert_eq!(World::taken(&world.device(1, 2)), vec![ours, theirs]);
}

#[test]
fn unknown_unicast_looped_and_bridge_frames_from_the_lan_are_dropped() {
    let mut world = World::small(4);
    let mut pause = frame(HOST, 0, None, b"pause");
    pause[10..16].copy_from_slice(&[0x01, 0x80, 0xc2, 0, 0, 1]);
    for bad in [frame(HOST, 77, None, b"for whom"), frame(1, 0, None, b"came back"), pause] {
        world.port(0).put(bad);
    }
    world.run(5 * MS);
    for cause in [Cause::UnknownUnicast, Cause::Looped, Cause::BridgeLocal] {
        assert_eq!(world.dropped(cause), 1, "{cause:?}");
    }
    assert!(World::taken(&world.device(0, 1)).is_empty() && World::taken(&world.device(1, 2)).is_empty());
}

/// Adapters 1 (access 10), 2 (trunk 10, 20), both on server 0; 3 (native) on server 1.
fn vlans() -> World {
    let mut world = World::small(5);
    world.publish_director(
        0,
        vec![
            carried(1, 1, VlanMode::Access(vlan(10)), 0),
            carried(2, 1, trunk(&[10, 20]), 0),
            carried(3, 1, VlanMode::Native, 1),
        ],
    );
    world.publish_server(0, vec![used(1, 1, Some(0)), used(2, 1, Some(0))]);
    world.publish_server(1, vec![used(3, 1, Some(0))]);
    world.run(3000 * MS);
    world.clear();
    world
}

#[test]
fn each_adapter_sees_its_vlans_as_its_mode_says() {
    let mut world = vlans();
    world.device(0, 1).put(frame(1, 0, None, b"from access"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![frame(1, 0, Some(10), b"from access")]);
    assert_eq!(World::taken(&world.device(0, 2)), vec![frame(1, 0, Some(10), b"from access")]);

    world.device(0, 2).put(frame(2, 0, Some(0x6000 | 10), b"from trunk"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![frame(2, 0, Some(0x6000 | 10), b"from trunk")]);
    assert_eq!(World::taken(&world.device(0, 1)), vec![frame(2, 0, None, b"from trunk")]);

    world.port(0).put(frame(HOST, 0, Some(20), b"on 20"));
    world.port(0).put(frame(HOST, 0, None, b"on none"));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.device(0, 2)), vec![frame(HOST, 0, Some(20), b"on 20")]);
    assert_eq!(World::taken(&world.device(1, 3)), vec![frame(HOST, 0, None, b"on none")]);
    assert!(World::taken(&world.device(0, 1)).is_empty());
}

#[test]
fn offload_headers_follow_the_tag() {
    let mut world = vlans();
    let plain = OffloadHeader {
        needs_checksum: true,
        segmentation: Segmentation::TcpV4,
        header_length: 54,
        segment_size: 1448,
        checksum_start: 34,
        checksum_offset: 16,
        ..OffloadHeader::PLAIN
    };
    let payload = vec![7; 20_000];
    world.device(0, 1).put(frame_with(plain, 1, HOST, None, &payload));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.port(0)), vec![frame_with(plain.with_tag(), 1, HOST, Some(10), &payload)]);
    // The port takes the tag out and leaves the header, which counts from the frame without it.
    world.port(0).put(frame_with(plain, HOST, 2, Some(20), &payload));
    world.run(5 * MS);
    assert_eq!(World::taken(&world.device(0, 2)), vec![frame_with(plain.with_tag(), HOST, 2, Some(20), &payload)]);
}

#[test]
fn what_a_server_may_not_send_is_dropped_by_its_cause() {
    let mut world = vlans();
    let mut service = frame(1, HOST, None, b"provider tag");
    service[22..24].copy_from_slice(&[0x88, 0xa8]);
    let mut lying = frame(1, HOST, None, b"offload");
    lying[0] = 1;
    lying[6] = 200;
    let mut bridge = frame(1, 0, None, b"bpdu");
    bridge[10..16].copy_from_slice(&[0x01, 0x80, 0xc2, 0, 0, 0]);
    let bad = [
        (1, frame(2, HOST, None, b"as another"), Cause::WrongMac),
        (1, frame(1, HOST, Some(10), b"tagged on access"), Cause::WrongVlan),
        (1, service, Cause::WrongVlan),
        (2, frame(2, HOST, None, b"untagged on trunk"), Cause::WrongVlan),
        (2, frame(2, HOST, Some(30), b"not in the set"), Cause::WrongVlan),
        (2, frame(2, HOST, Some(0), b"priority tag"), Cause::WrongVlan),
        (1, lying, Cause::BadOffload),
        (1, bridge, Cause::BridgeLocal),
    ];
    for (adapter, frame, cause) in bad {
        let before = world.dropped(cause);
        world.device(0, adapter).put(frame);
        world.run(5 * MS);
        assert_eq!(world.dropped(cause), before + 1, "{cause:?}");
    }
    assert!(World::taken(&world.port(0)).is_empty());
    let counters = world.directors[0].datapath.counters();
    let of_two = &counters.adapters[&twinrail_proto::domain::AdapterId(2)];
    assert_eq!(of_two.drops.get(&Cause::WrongVlan), Some(&3), "counted for the adapter too");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Frames of any size, both ways and between servers, in bursts: every one arrives where it should, byte-equal, once,
    /// and those of one flow in order.
    #[test]
    fn what_goes_in_comes_out(
        seed: u64,
        frames in prop::collection::vec((0..4u8, prop_oneof![4 => 0usize..200, 1 => 1000usize..9000, 1 => 20_000usize..60_000], 0..3u64), 1..60),
    ) {
        let mut world = World::small(seed);
        let (mut to_lan, mut to_one, mut to_two) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (way, length, pause)) in frames.into_iter().enumerate() {
            let mut payload = vec![number as u8; length];
            payload.extend_from_slice(&(number as u32).to_be_bytes());
            let (edge, from, to, arrives) = match way {
                0 => (world.device(0, 1), 1, HOST, &mut to_lan),
                1 => (world.device(0, 1), 1, 2, &mut to_two),
                2 => (world.port(0), HOST, 1, &mut to_one),
                _ => (world.port(0), HOST, 2, &mut to_two),
            };
            let bytes = frame(from, to, None, &payload);
            edge.put(bytes.clone());
            arrives.push(bytes);
            world.run(pause * MS);
        }
        world.run(20 * MS);
        prop_assert_eq!(World::taken(&world.port(0)), to_lan);
        prop_assert_eq!(World::taken(&world.device(0, 1)), to_one);
        // Two senders: each one's frames are in order.
        let arrived = World::taken(&world.device(1, 2));
        for sender in [1, HOST] {
            let from = |bytes: &&Vec<u8>| bytes[16..22] == crate::world::mac(sender).octets();
            let (arrived, sent): (Vec<_>, Vec<_>) = (arrived.iter().filter(from).collect(), to_two.iter().filter(from).collect());
            prop_assert_eq!(arrived, sent);
        }
        prop_assert_eq!(arrived.len(), to_two.len());
    }
}
