//! `lab raw-responder`: answers UDP probes, and ARP for its address, on a device that may not be there yet, from the first
//! frame on. The kernel takes milliseconds to give a new device its address; for a measure of how long a network card is away,
//! that is none of the card's time.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use twinrail_datapath_sys::{PacketSocket, ReceiveQueue, SendQueue};
use twinrail_proto::domain::MacAddress;
use twinrail_proto::rail::{OFFLOAD_LENGTH, OffloadHeader};

use super::responder::stop_flag;

/// How long it waits for a frame before it looks whether it shall end.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Larger than any probe.
const FRAME: usize = 2_048;

#[derive(Debug, Args)]
pub struct RawResponderOptions {
    #[arg(long)]
    device: String,
    /// The device's MAC.
    #[arg(long)]
    mac: MacAddress,
    #[arg(long)]
    address: Ipv4Addr,
    #[arg(long)]
    port: u16,
}

/// Whom the answers come from.
#[derive(Clone, Copy)]
struct Card {
    mac: [u8; 6],
    address: [u8; 4],
    port: [u8; 2],
}

pub fn run(options: &RawResponderOptions) -> Result<()> {
    let stop = stop_flag()?;
    let card = Card { mac: options.mac.octets(), address: options.address.octets(), port: options.port.to_be_bytes() };
    let receives = PacketSocket::open_on_all().context("could not open a packet socket")?;
    let mut receiver = ReceiveQueue::default();
    let mut buffer = [0; OFFLOAD_LENGTH + FRAME];
    let mut answers = Answers { device: options.device.clone(), socket: None, queue: SendQueue::default() };
    while !stop.is_set() {
        poll(&mut [PollFd::from_borrowed_fd(receives.as_fd(), PollFlags::IN)], Some(&PATIENCE))
            .context("could not wait")?;
        match receiver.receive(&receives, std::iter::once(&mut buffer[..])) {
            Ok(_) => {}
            // A device of the namespace was down, or went away.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NetworkDown) => continue,
            Err(error) => return Err(error).context("could not receive frames"),
        }
        let length = receiver.message(0).length.min(buffer.len());
        let Some(frame) = buffer.get_mut(OFFLOAD_LENGTH..length) else { continue };
        if card.answer_arp(frame) || card.answer_probe(frame) {
            answers.send(frame);
        }
    }
    Ok(())
}

/// Sends by the device, which is there once a frame has come by it.
struct Answers {
    device: String,
    socket: Option<PacketSocket>,
    queue: SendQueue,
}

impl Answers {
    /// An answer that cannot be sent is a probe lost: the prober counts it.
    fn send(&mut self, frame: &[u8]) {
        if self.socket.is_none() {
            self.socket = PacketSocket::open(&self.device).ok();
        }
        let Some(socket) = &self.socket else { return };
        let plain = OffloadHeader::PLAIN.encode();
        let mut batch = self.queue.start();
        batch.message(None, None);
        batch.part(&plain);
        batch.part(frame);
        if batch.send(socket, 0).is_err() {
            self.socket = None;
        }
    }
}

impl Card {
    /// Makes an answer of a question for our address (RFC 826), in place.
    fn answer_arp(&self, frame: &mut [u8]) -> bool {
        const REQUEST: [u8; 10] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];
        if frame.len() < 42 || frame[12..22] != REQUEST || frame[38..42] != self.address {
            return false;
        }
        frame.copy_within(22..32, 32);
        frame[21] = 2;
        frame[22..28].copy_from_slice(&self.mac);
        frame[28..32].copy_from_slice(&self.address);
        self.send_back(frame)
    }

    /// Turns a datagram for us around (RFC 791, RFC 768), in place. Sums over swapped fields stay the same; the sum of UDP,
    /// which the sender may have left to its card, is left out, as IPv4 permits.
    fn answer_probe(&self, frame: &mut [u8]) -> bool {
        const IPV4: [u8; 3] = [0x08, 0x00, 0x45];
        const UDP: u8 = 17;
        if frame.len() < 42 || frame[12..15] != IPV4 || frame[23] != UDP {
            return false;
        }
        if frame[30..34] != self.address || frame[36..38] != self.port {
            return false;
        }
        frame[26..34].rotate_left(4);
        frame[34..38].rotate_left(2);
        frame[40..42].fill(0);
        self.send_back(frame)
    }

    fn send_back(&self, frame: &mut [u8]) -> bool {
        frame.copy_within(6..12, 0);
        frame[6..12].copy_from_slice(&self.mac);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Card = Card { mac: [2, 0, 0, 0, 0, 9], address: [10, 70, 0, 9], port: [0x1e, 0x61] };
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 4] = [10, 70, 0, 1];

    #[test]
    fn whoever_asks_for_our_address_gets_our_mac() {
        let start = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
        let question = |target: [u8; 4]| [&start[..], &OTHER, &THEIRS, &[0; 6], &target].concat();
        let mut frame = question(CARD.address);
        assert!(CARD.answer_arp(&mut frame));
        let head = [&OTHER[..], &CARD.mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
        assert_eq!(frame, [&head[..], &CARD.mac, &CARD.address, &OTHER, &THEIRS].concat());
        assert!(!CARD.answer_arp(&mut question([10, 70, 0, 8])));
        assert!(!CARD.answer_arp(&mut frame[..41]));
    }

    #[test]
    fn a_probe_goes_back_where_it_came_from() {
        let ip = [0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0xaa, 0xbb];
        let probe = |port: [u8; 2]| {
            let head = [&CARD.mac[..], &OTHER, &[8, 0], &ip, &THEIRS, &CARD.address].concat();
            [&head[..], &[0x30, 0x39], &port, &[0, 12, 0x12, 0x34], b"abcd"].concat()
        };
        let mut frame = probe(CARD.port);
        assert!(CARD.answer_probe(&mut frame));
        let head = [&OTHER[..], &CARD.mac, &[8, 0], &ip, &CARD.address, &THEIRS].concat();
        assert_eq!(frame, [&head[..], &CARD.port, &[0x30, 0x39], &[0, 12, 0, 0], b"abcd"].concat());
        assert!(!CARD.answer_probe(&mut probe([0, 53])));
        assert!(!CARD.answer_probe(&mut frame[..41]));
    }
}
