//! Machines at the ends of a rail, driven by the test itself.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use twinrail_datapath::arena::{Arena, Piece};
use twinrail_datapath::head::Head;
use twinrail_datapath::rail::verbs::{self, VerbsConfig};
use twinrail_datapath::rail::{Incoming, Outgoing, RailEnds, RailReceiver, RailSender, SendReport};
use twinrail_datapath::{Cause, monotonic_ns};
use twinrail_proto::rail::{ClusterTag, HEADER_LENGTH, Header, Hello, Incarnation, Kind};

pub const PORT: u16 = 7403;

/// What may take so long in the guest has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One rail of a machine: both sending threads and the receiving one are this thread.
pub struct Machine {
    pub address: IpAddr,
    pub receiver: Box<dyn RailReceiver>,
    pub senders: [Box<dyn RailSender>; 2],
    pub arenas: [Arena; 2],
    pub causes: Vec<Cause>,
    pub refused: Vec<IpAddr>,
    incoming: Vec<Incoming>,
    said: Instant,
}

/// Both RDMA devices of the guest.
pub fn devices() -> [String; 2] {
    let names =
        std::env::var("TWINRAIL_TEST_RDMA").expect("TWINRAIL_TEST_RDMA names two RDMA devices, as in rxe_1,rxe_2");
    let (one, other) = names.split_once(',').expect("two devices, with a comma between");
    [one.into(), other.into()]
}

pub fn header(kind: Kind) -> Header {
    Header { kind, cluster: ClusterTag::of("guest"), incarnation: Incarnation::from_random(rand::random()) }
}

pub fn address(number: u8) -> IpAddr {
    IpAddr::from([127, 1, 0, number])
}

impl Machine {
    pub fn new(number: u8, device: &str, receives: u16) -> Self {
        Self::with_slots(number, device, receives, 128)
    }

    pub fn with_slots(number: u8, device: &str, receives: u16, slots: u16) -> Self {
        let config = VerbsConfig { device: Some(device.into()), receives, ..VerbsConfig::default() };
        let RailEnds { receiver, senders } =
            verbs::open(address(number), PORT, header(Kind::Hello), &config).expect("a rail");
        Self {
            address: address(number),
            receiver,
            senders,
            arenas: [Arena::new(slots), Arena::new(slots)],
            causes: Vec::new(),
            refused: Vec::new(),
            incoming: Vec::new(),
            said: Instant::now() - Duration::from_secs(1),
        }
    }

    /// Says hello to these peers, when it is time for it: what makes paths.
    pub fn greet(&mut self, peers: &[IpAddr]) {
        if self.said.elapsed() < Duration::from_millis(10) {
            return;
        }
        self.said = Instant::now();
        let hello = Hello {
            sequence: 1,
            interval_us: 10_000,
            hears: None,
            going: false,
            sent: monotonic_ns(),
            echo: 0,
            held_us: 0,
            receives: self.senders[0].limit(),
        };
        let head = Head::EMPTY.with(&header(Kind::Hello).encode()).with(&hello.encode());
        for &to in peers {
            self.senders[0].post(&mut self.arenas[0], Outgoing { to, limit: 1232, head, body: None });
        }
        self.flush(0);
    }

    /// Sends one message by one of its threads. `head` octets of it go apart from the others. False: the rail takes none now.
    pub fn send(&mut self, lane: usize, to: IpAddr, message: &[u8], head: usize) -> bool {
        let arena = &mut self.arenas[lane];
        let Some(slot) = arena.take() else {
            self.flush(lane);
            return false;
        };
        let body = &message[head..];
        arena.bytes_mut(slot)[..body.len()].copy_from_slice(body);
        let body = (!body.is_empty()).then(|| Piece::new(slot, 0..body.len()));
        let outgoing = Outgoing { to, limit: u32::MAX, head: Head::EMPTY.with(&message[..head]), body };
        self.senders[lane].post(arena, outgoing);
        arena.release(slot);
        self.flush(lane).sent == 1
    }

    pub fn flush(&mut self, lane: usize) -> SendReport {
        self.senders[lane].flush(&mut self.arenas[lane], monotonic_ns())
    }

    /// Everything that came, hellos left out, with its sender.
    pub fn receive(&mut self) -> Vec<(IpAddr, Vec<u8>)> {
        self.receiver.receive(&mut self.arenas[0], monotonic_ns(), &mut self.incoming);
        self.causes.extend(std::iter::from_fn(|| self.receiver.next_cause()));
        self.refused.extend(std::iter::from_fn(|| self.receiver.next_refusal()));
        let mut messages = Vec::new();
        for Incoming { from, message } in self.incoming.drain(..) {
            let octets = self.arenas[0].piece(message).to_vec();
            self.arenas[0].release(message.slot);
            if octets.get(3) != Some(&(Kind::Hello as u8)) {
                messages.push((from, octets));
            }
        }
        self.flush(0);
        messages
    }

    pub fn count_of(&self, cause: Cause) -> usize {
        self.causes.iter().filter(|&&it| it == cause).count()
    }
}

/// A message of frames whose octets follow from its number and its length.
pub fn message(number: u32, length: usize) -> Vec<u8> {
    let mut octets = header(Kind::Frames).encode().to_vec();
    octets.extend(number.to_be_bytes());
    let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        octets.extend(state.to_be_bytes());
    }
    octets.truncate(length.max(HEADER_LENGTH + 4));
    // The incarnation is drawn anew for each: it is no part of what is compared.
    octets[8..16].fill(7);
    octets
}

/// Runs `step` until it says that it is done.
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    let start = Instant::now();
    while !step() {
        assert!(start.elapsed() < PATIENCE, "{what}: nothing after {PATIENCE:?}");
    }
}

/// Waits until messages go both ways between these two.
pub fn connect(one: &mut Machine, other: &mut Machine) {
    let mut got = [false, false];
    until("a path", || {
        one.greet(&[other.address]);
        other.greet(&[one.address]);
        for lane in 0..2 {
            one.send(lane, other.address, &message(0, 100), 0);
            other.send(lane, one.address, &message(0, 100), 0);
        }
        got[0] |= !one.receive().is_empty();
        got[1] |= !other.receive().is_empty();
        got == [true, true]
    });
    settle(&mut [one, other]);
    // Who asks for a path before the other one wants it is a stranger to it, for a moment.
    for machine in [one, other] {
        machine.causes.retain(|&it| it != Cause::UnknownPeer);
    }
}

/// Takes whatever is still under way.
pub fn settle(machines: &mut [&mut Machine]) {
    let until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < until {
        machines.iter_mut().for_each(|it| drop(it.receive()));
    }
}
