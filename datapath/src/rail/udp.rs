//! Frames in UDP datagrams, with segmentation offload both ways and batched system calls.
//!
//! A message that is larger than a datagram goes as fragments, each with a header of its own; the kernel cuts them out of
//! one send (UDP_SEGMENT), and the receiver gets most of them back as one (UDP_GRO).

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use twinrail_datapath_sys::{ReceiveQueue, SendBatch, SendQueue, UdpSocket, device_of_address, mtu_of_address};
use twinrail_proto::rail::{
    FRAGMENT_HEADER_LENGTH, Fragment, HEADER_LENGTH, Header, Kind, MAX_FRAGMENTS, Message, parse,
};

use super::reassembly::Reassembly;
use super::{Incoming, Nanos, Outgoing, RailEnds, RailReceiver, RailSender, ReceiveReport, SendReport};
use crate::Cause;
use crate::arena::{Arena, Lent, Piece, Slot};
use crate::error::StartError;

/// Messages received by one system call. Super-frames of a larger batch would not stay in the processor's cache until
/// they are forwarded.
const RECEIVE_BATCH: usize = 16;

/// The MTU of a rail whose device is not there yet: every Ethernet has it.
const FALLBACK_MTU: u32 = 1500;

/// What one send with segmentation may hold: an IP packet.
const LARGEST_SEND: usize = 65_000;

/// Headers of one fragment.
const FRAGMENT_OVERHEAD: usize = HEADER_LENGTH + FRAGMENT_HEADER_LENGTH;

/// Tries of one send: an error that an earlier datagram left behind is reported by the next call, and then gone.
const SEND_TRIES: usize = 3;

/// Opens a rail on this machine's address on it. `header`: as every message of this machine starts.
pub fn open(address: IpAddr, port: u16, header: Header) -> Result<RailEnds, StartError> {
    let failed = |source| StartError::OpenRail { address, port, source };
    let socket = UdpSocket::bind(SocketAddr::new(address, port)).map_err(failed)?;
    let limit = Arc::new(AtomicU32::new(datagram_limit(address)));
    resolve_quickly(address);
    let header = Header { kind: Kind::Fragment, ..header }.encode();
    let sender = |first_message: u32| -> Result<Box<dyn RailSender>, StartError> {
        Ok(Box::new(UdpSender {
            socket: socket.share().map_err(failed)?,
            address,
            port,
            limit: Arc::clone(&limit),
            header,
            posted: Vec::with_capacity(256),
            queue: SendQueue::default(),
            next_message: first_message,
            fragment_heads: Vec::with_capacity(2 * MAX_FRAGMENTS),
        }))
    };
    // Both threads number their messages: from far apart, so that the receiver never mixes them up.
    let senders = [sender(0)?, sender(1 << 31)?];
    let receiver = UdpReceiver {
        socket,
        port,
        queue: ReceiveQueue::default(),
        lent: Vec::with_capacity(RECEIVE_BATCH),
        reassembly: Reassembly::new(),
    };
    Ok(RailEnds { receiver: Box::new(receiver), senders })
}

/// The largest UDP payload that leaves by the device with this address unfragmented.
fn datagram_limit(address: IpAddr) -> u32 {
    let mtu = mtu_of_address(address).ok().flatten().unwrap_or(FALLBACK_MTU);
    let (headers, largest) = if address.is_ipv4() { (28, 65_535) } else { (48, 65_535) };
    mtu.clamp(1280, largest) - headers
}

/// How long the kernel waits before it asks again for a neighbour's link address, in ms. Its default is a second, and a
/// first question that is lost while a rail comes back would keep the path down for so long.
const NEIGHBOUR_RETRY_MS: u32 = 20;

/// A rail that works only after a second is not worth a failed start: what cannot be set is logged.
fn resolve_quickly(address: IpAddr) {
    let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    let done = device_of_address(address).and_then(|device| match device {
        Some(device) => {
            let setting = format!("/proc/sys/net/{family}/neigh/{device}/retrans_time_ms");
            std::fs::write(setting, NEIGHBOUR_RETRY_MS.to_string())
        }
        None => Ok(()),
    });
    if let Err(error) = done {
        tracing::warn!(%address, %error, "cannot make the kernel ask for neighbours on this rail more often: a restored rail may take a second longer");
    }
}

struct UdpSender {
    socket: UdpSocket,
    address: IpAddr,
    port: u16,
    limit: Arc<AtomicU32>,
    header: [u8; HEADER_LENGTH],
    posted: Vec<Outgoing>,
    queue: SendQueue,
    next_message: u32,
    fragment_heads: Vec<[u8; FRAGMENT_OVERHEAD]>,
}

impl RailSender for UdpSender {
    fn post(&mut self, arena: &mut Arena, message: Outgoing) {
        if let Some(body) = message.body {
            arena.hold(body.slot);
        }
        self.posted.push(message);
    }

    fn flush(&mut self, arena: &mut Arena, _now: Nanos) -> SendReport {
        let mut report = SendReport::default();
        let mut first = 0;
        while first < self.posted.len() {
            first += match self.posted[first].is_whole() {
                true => self.send_whole(arena, first, &mut report),
                false => self.send_fragments(arena, first, &mut report),
            };
        }
        for slot in self.posted.drain(..).filter_map(|it| it.body).map(|it| it.slot) {
            arena.release(slot);
        }
        report
    }

    fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    fn refresh(&mut self) {
        self.limit.store(datagram_limit(self.address), Ordering::Relaxed);
    }
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.map_or(0, Piece::len)
    }

    fn is_whole(&self) -> bool {
        self.len() <= self.limit as usize
    }
}

impl UdpSender {
    /// Sends as many of the messages from `first` on as go in one datagram each and one call; returns how many.
    fn send_whole(&mut self, arena: &Arena, first: usize, report: &mut SendReport) -> usize {
        let mut batch = self.queue.start();
        for message in self.posted[first..].iter().take_while(|it| it.is_whole()) {
            if !batch.has_room(2) {
                break;
            }
            batch.message(Some(SocketAddr::new(message.to, self.port)), None);
            if !message.head.is_empty() {
                batch.part(message.head.bytes());
            }
            if let Some(body) = message.body {
                batch.part(arena.piece(body));
            }
        }
        send_all(&mut batch, &self.socket, report);
        batch.len()
    }

    fn send_fragments(&mut self, arena: &Arena, at: usize, report: &mut SendReport) -> usize {
        let message = &self.posted[at];
        let piece = (message.limit as usize).saturating_sub(FRAGMENT_OVERHEAD);
        let count = message.len().div_ceil(piece.max(1));
        if count > MAX_FRAGMENTS {
            report.too_large += 1;
            return 1;
        }
        let sender = self.next_message & (1 << 31);
        self.next_message = sender | (self.next_message.wrapping_add(1) & !(1 << 31));
        self.fragment_heads.clear();
        for index in 0..count as u16 {
            let fragment =
                Fragment { message: self.next_message, index, count: count as u16, piece: piece as u16, data: &[] };
            let mut head = [0; FRAGMENT_OVERHEAD];
            head[..HEADER_LENGTH].copy_from_slice(&self.header);
            head[HEADER_LENGTH..].copy_from_slice(&fragment.encode_header());
            self.fragment_heads.push(head);
        }
        let body = message.body.map_or(&[][..], |it| arena.piece(it));
        let to = SocketAddr::new(message.to, self.port);
        let segment = piece + FRAGMENT_OVERHEAD;
        let in_one_send = (LARGEST_SEND / segment).max(1);
        let mut batch = self.queue.start();
        for (index, head) in self.fragment_heads.iter().enumerate() {
            if index % in_one_send == 0 {
                batch.message(Some(to), Some(segment as u16));
            }
            batch.part(head);
            add_stretch(&mut batch, message.head.bytes(), body, index * piece, piece);
        }
        let before = report.sent;
        send_all(&mut batch, &self.socket, report);
        report.sent = before + u64::from(report.sent > before);
        report.fragmented += 1;
        1
    }
}

/// Adds `length` octets from `start` on of head and body together, or as many as there are.
fn add_stretch<'a>(batch: &mut SendBatch<'a>, head: &'a [u8], body: &'a [u8], start: usize, length: usize) {
    let end = (start + length).min(head.len() + body.len());
    if start < head.len() {
        batch.part(&head[start..end.min(head.len())]);
    }
    if end > head.len() {
        batch.part(&body[start.saturating_sub(head.len())..end - head.len()]);
    }
}

/// Sends the whole batch. A message that the kernel refuses is passed over, so that the others still go.
fn send_all(batch: &mut SendBatch<'_>, socket: &UdpSocket, report: &mut SendReport) {
    let mut at = 0;
    let mut tries = 0;
    while at < batch.len() {
        match batch.send(socket, at) {
            Ok(sent) => {
                (at, tries) = (at + sent, 0);
                report.sent += sent as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                report.full += (batch.len() - at) as u64;
                return;
            }
            Err(_) if tries + 1 < SEND_TRIES => tries += 1,
            Err(_) => {
                (at, tries) = (at + 1, 0);
                report.refused += 1;
            }
        }
    }
}

struct UdpReceiver {
    socket: UdpSocket,
    port: u16,
    queue: ReceiveQueue,
    lent: Vec<Lent>,
    reassembly: Reassembly,
}

impl RailReceiver for UdpReceiver {
    fn receive(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) -> ReceiveReport {
        arena.lend(RECEIVE_BATCH, &mut self.lent);
        let buffers = self.lent.iter_mut().map(|it| &mut it.buffer[..]);
        let count = self.queue.receive(&self.socket, buffers).unwrap_or(0);
        let mut slots = [None; RECEIVE_BATCH];
        for (slot, lent) in slots.iter_mut().zip(&self.lent) {
            *slot = Some(lent.slot);
        }
        arena.give_back(&mut self.lent, count);
        let mut report = ReceiveReport { more: count == RECEIVE_BATCH, ..ReceiveReport::default() };
        for (at, slot) in slots.into_iter().flatten().take(count).enumerate() {
            self.split(arena, at, slot, now, into, &mut report);
            arena.release(slot);
        }
        report.incomplete += self.reassembly.take_given_up();
        report
    }

    fn next_refusal(&mut self) -> Option<IpAddr> {
        while let Ok(Some(refusal)) = self.socket.next_refusal() {
            if refusal.port_closed && refusal.to.port() == self.port {
                return Some(refusal.to.ip());
            }
        }
        None
    }

    fn next_cause(&mut self) -> Option<Cause> {
        None
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        None
    }
}

impl UdpReceiver {
    /// Takes apart what the kernel gave as one: datagrams of one sender, each of the same size but the last.
    fn split(
        &mut self,
        arena: &mut Arena,
        at: usize,
        slot: Slot,
        now: Nanos,
        into: &mut Vec<Incoming>,
        report: &mut ReceiveReport,
    ) {
        let received = self.queue.message(at);
        // Only the rail's own port speaks for a machine: not any program that happens to run there.
        let Some(from) = received.from.filter(|it| it.port() == self.port) else {
            report.strangers += 1;
            return;
        };
        let size = received.segment.unwrap_or(received.length).max(1);
        for start in (0..received.length).step_by(size) {
            let datagram = Piece::new(slot, start..(start + size).min(received.length));
            self.datagram(arena, from.ip(), datagram, now, into, report);
        }
    }

    fn datagram(
        &mut self,
        arena: &mut Arena,
        from: IpAddr,
        datagram: Piece,
        now: Nanos,
        into: &mut Vec<Incoming>,
        report: &mut ReceiveReport,
    ) {
        let bytes = arena.piece(datagram);
        // The fourth octet is the kind: all others are parsed where they are used.
        if bytes.get(3) != Some(&(Kind::Fragment as u8)) {
            arena.hold(datagram.slot);
            into.push(Incoming { from, message: datagram });
            return;
        }
        let Ok((_, Message::Fragment(fragment))) = parse(bytes) else {
            report.bad_fragments += 1;
            return;
        };
        let Some((at, length)) = self.reassembly.add(from, &fragment, now) else { return };
        match arena.take() {
            Some(slot) => {
                arena.exchange(slot, self.reassembly.buffer(at));
                into.push(Incoming { from, message: Piece::new(slot, 0..length) });
            }
            None => report.incomplete += 1,
        }
    }
}
