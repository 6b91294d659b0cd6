use std::collections::VecDeque;
use std::time::{Duration, Instant};

use twinrail_datapath::monotonic_ns;
use twinrail_proto::rail::MAX_MESSAGE;

use crate::machine::{Machine, connect, devices, message, until};

/// Sends these lengths from one machine to the other, by both threads in turn, and compares every octet there.
fn carry(one: &mut Machine, other: &mut Machine, lengths: impl Iterator<Item = usize>) {
    // What is to come, by sending thread: the messages of a thread stay in order.
    let mut expected: [VecDeque<Vec<u8>>; 2] = Default::default();
    for (number, length) in lengths.enumerate() {
        let (lane, number) = (number % 2, number as u32);
        let sent = message(number, length);
        // Heads of several sizes: none, one that goes along, one that has a cell.
        let head = [0, 16, 90][number as usize / 2 % 3].min(sent.len());
        until("room", || {
            let gone = one.send(lane, other.address, &sent, head);
            if !gone {
                check(other, &mut expected);
            }
            one.receive();
            gone
        });
        expected[lane].push_back(sent);
    }
    until("the last messages", || {
        one.receive();
        one.flush(0);
        one.flush(1);
        check(other, &mut expected);
        expected.iter().all(VecDeque::is_empty)
    });
    assert_eq!((&one.causes[..], &other.causes[..]), (&[][..], &[][..]));
}

fn check(at: &mut Machine, expected: &mut [VecDeque<Vec<u8>>; 2]) {
    for (_, octets) in at.receive() {
        let number = u32::from_be_bytes([octets[16], octets[17], octets[18], octets[19]]);
        let wanted = expected[number as usize % 2].pop_front().expect("a message that was sent");
        assert!(octets == wanted, "message {number} of {} octets came as {} others", wanted.len(), octets.len());
    }
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn frames_of_every_size_arrive_byte_equal() {
    let [first, second] = devices();
    let (mut one, mut other) = (Machine::new(1, &first, 128), Machine::new(2, &second, 128));
    connect(&mut one, &mut other);
    carry(&mut one, &mut other, 60..=9000);
    carry(&mut other, &mut one, (60..=9000).step_by(7));
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn super_frames_arrive_whole_and_byte_equal() {
    let [first, second] = devices();
    let (mut one, mut other) = (Machine::new(1, &first, 128), Machine::new(2, &second, 128));
    connect(&mut one, &mut other);
    carry(&mut one, &mut other, (9000..=MAX_MESSAGE).step_by(977).chain([MAX_MESSAGE]));
    carry(&mut other, &mut one, [MAX_MESSAGE, 20, MAX_MESSAGE, 4096].into_iter());
}

/// Nothing is read for three seconds: the sender is told that the rail is full, and afterwards everything that went arrives.
#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_slow_receiver_breaks_nothing() {
    let [first, second] = devices();
    let (mut one, mut other) = (Machine::new(1, &first, 64), Machine::new(2, &second, 64));
    connect(&mut one, &mut other);
    let (mut sent, mut full) = (VecDeque::new(), 0);
    let until_ns = monotonic_ns() + 3_000_000_000;
    while monotonic_ns() < until_ns {
        let next = message(2 * sent.len() as u32, 3000);
        match one.send(0, other.address, &next, 0) {
            true => sent.push_back(next),
            false => full += 1,
        }
        one.receive();
        std::thread::sleep(Duration::from_micros(100));
    }
    assert!(full > 0 && !sent.is_empty(), "{} went, {full} did not", sent.len());
    let count = sent.len();
    let mut expected = [sent, VecDeque::new()];
    until("what had gone", || {
        check(&mut other, &mut expected);
        one.receive();
        expected[0].is_empty()
    });
    carry(&mut one, &mut other, std::iter::repeat_n(2000, 3 * count + 10));
}

/// For people: how fast it is, which nobody asserts.
#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn a_second_of_super_frames() {
    let [first, second] = devices();
    let (mut one, mut other) = (Machine::new(1, &first, 256), Machine::new(2, &second, 256));
    connect(&mut one, &mut other);
    let (frame, start, mut octets) = (message(0, 60_000), Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        one.send(0, other.address, &frame, 0);
        one.receive();
        octets += other.receive().iter().map(|it| it.1.len()).sum::<usize>();
    }
    println!("{} MB/s", octets / 1_000_000);
    assert!(octets > 0 && one.causes.is_empty() && other.causes.is_empty());
}
