//! Peers that do what they must not: their path is closed and counted, and a good peer's is not touched.

use twinrail_datapath::Cause;
use twinrail_proto::rail::{Connection, HEADER_LENGTH, Kind, Offer, QueuePairOffer};

use crate::machine::{Machine, address, connect, devices, header, message, until};
use crate::raw_peer::RawPeer;

const BAD: u8 = 9;

/// A machine with a good peer and a path to a bad one, which does something; then the cause is counted, the bad peer's path is
/// refused and only it, and the good peer still gets what is sent to it.
fn misbehave(receives: usize, act: impl FnOnce(&mut Machine, &mut RawPeer), causes: &[Cause]) {
    let [first, second] = devices();
    let (mut machine, mut good) = (Machine::new(1, &first, 128), Machine::new(2, &second, 128));
    connect(&mut machine, &mut good);
    let mut bad = RawPeer::new(BAD, &second, receives);
    bad.accept(&mut machine);
    assert_eq!((&machine.causes[..], &machine.refused[..]), (&[][..], &[][..]));
    act(&mut machine, &mut bad);
    until("the cause", || {
        // The bad one is sent something all the time, as it is in life: hellos.
        machine.greet(&[good.address, address(BAD)]);
        good.greet(&[machine.address]);
        machine.receive();
        good.receive();
        bad.next_result();
        !machine.refused.is_empty()
    });
    assert!(causes.contains(&machine.causes[0]), "{:?} and not one of {causes:?}", machine.causes);
    assert!(machine.refused.iter().all(|&it| it == address(BAD)), "{:?}", machine.refused);
    let mut number = 1000;
    for lane in [0, 1] {
        for _ in 0..100 {
            number += 1;
            let sent = message(number, 500);
            until("a message for the good peer", || machine.send(lane, good.address, &sent, 0));
            until("it", || good.receive().iter().any(|it| it.1 == sent));
            machine.receive();
        }
    }
    assert!(good.causes.is_empty(), "{:?}", good.causes);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_message_larger_than_its_buffer() {
    misbehave(64, |_, bad| bad.send(100_000, Some(0)), &[Cause::TooLarge]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_message_that_does_not_count() {
    misbehave(64, |_, bad| bad.send(100, None), &[Cause::RailCredit]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_count_of_messages_that_were_never_sent() {
    misbehave(64, |_, bad| bad.send(100, Some(5000 << 16)), &[Cause::RailCredit]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_write_to_a_stale_key() {
    misbehave(64, |_, bad| bad.reach(true), &[Cause::RailAccess, Cause::RailRequest, Cause::RailBroken]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_read_of_a_stale_key() {
    misbehave(64, |_, bad| bad.reach(false), &[Cause::RailAccess, Cause::RailRequest, Cause::RailBroken]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_peer_that_posts_no_receives() {
    misbehave(0, |_, _| {}, &[Cause::RailStalled]);
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn datagrams_that_make_no_sense_are_counted_and_change_nothing() {
    let [first, second] = devices();
    let (mut machine, mut good) = (Machine::new(1, &first, 128), Machine::new(2, &second, 128));
    connect(&mut machine, &mut good);
    let bad = RawPeer::new(BAD, &second, 0);
    let connection = |it: Connection| [&header(Kind::Connection).encode()[..], &it.encode()].concat();
    let offer = Offer {
        number: 1,
        gid: [1; 16],
        lid: 0,
        mtu: 5,
        window: 4,
        queue_pairs: [QueuePairOffer { number: 1, first_packet: 1 }; 2],
    };
    let mut unknown_request = connection(Connection::Call);
    unknown_request[HEADER_LENGTH] = 77;
    let cut = connection(Connection::Accept(offer));
    let mut foreign = connection(Connection::Call);
    foreign[4] ^= 1;
    let cases = [
        (connection(Connection::Call), Cause::UnknownPeer),
        (connection(Connection::Connect(offer)), Cause::UnknownPeer),
        (unknown_request, Cause::BadConnection),
        (cut[..40].to_vec(), Cause::CutShort),
        (b"something else altogether".to_vec(), Cause::NotOurs),
        (message(1, 200), Cause::OtherRail),
        (foreign, Cause::OtherCluster),
    ];
    for (octets, cause) in cases {
        bad.say(&machine, &octets);
        until(cause.name(), || {
            machine.receive();
            !machine.causes.is_empty()
        });
        assert_eq!(std::mem::take(&mut machine.causes), [cause]);
    }
    assert!(machine.refused.is_empty());
    let sent = message(1, 5000);
    until("room", || machine.send(1, good.address, &sent, 16));
    until("it", || good.receive().iter().any(|it| it.1 == sent));
}
