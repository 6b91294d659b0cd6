use std::io;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null_mut;

use libc::{c_int, cmsghdr, iovec, mmsghdr, sockaddr_storage, socklen_t, tpacket_auxdata};

use crate::socket::{from_kernel, to_kernel};
use crate::{check, check_length};

/// Most messages of one call: larger batches gain nothing measurable and hold up the others.
pub const BATCH: usize = 64;

/// Room for the pieces of all messages of one call: four for each, or one message in many fragments. A message that
/// does not fit waits for the next call.
const PARTS: usize = 512;

/// Room for the control messages that we ask for: UDP segment size, packet auxiliary data.
const CONTROL_ROOM: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_ROOM]);

/// What a call needs beside the data, kept from call to call.
struct Tables {
    headers: Box<[mmsghdr]>,
    parts: Box<[iovec]>,
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
}

// SAFETY: the pointers in the tables point into the tables themselves, or to data borrowed only for the time of a
// `SendBatch` or a call of `receive`; none is followed at any other time.
unsafe impl Send for Tables {}

impl Tables {
    fn new(parts: usize) -> Self {
        // SAFETY: all-zero octets are valid mmsghdr, iovec and sockaddr_storage values (null pointers, no lengths).
        let (header, part, name) = unsafe { (zeroed::<mmsghdr>(), zeroed::<iovec>(), zeroed::<sockaddr_storage>()) };
        Self {
            headers: vec![header; BATCH].into(),
            parts: vec![part; parts].into(),
            names: vec![name; BATCH].into(),
            controls: vec![Control([0; CONTROL_ROOM]); BATCH].into(),
        }
    }
}

/// Sends many messages with one system call.
pub struct SendQueue {
    tables: Tables,
}

impl Default for SendQueue {
    fn default() -> Self {
        Self { tables: Tables::new(PARTS) }
    }
}

impl SendQueue {
    /// An empty batch, whose data lives for `'a`.
    pub fn start<'a>(&'a mut self) -> SendBatch<'a> {
        SendBatch { tables: &mut self.tables, messages: 0, parts: 0, data: PhantomData }
    }
}

/// Messages that are being put together, piece by piece.
pub struct SendBatch<'a> {
    tables: &'a mut Tables,
    messages: usize,
    parts: usize,
    data: PhantomData<&'a [u8]>,
}

impl<'a> SendBatch<'a> {
    pub fn len(&self) -> usize {
        self.messages
    }

    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether one more message of so many parts fits.
    pub fn has_room(&self, parts: usize) -> bool {
        self.messages < BATCH && self.parts + parts <= PARTS
    }

    /// Begins a message. `segment`: the kernel cuts it into datagrams of so many octets (UDP_SEGMENT).
    /// Panics when there is no room: ask first.
    pub fn message(&mut self, to: Option<SocketAddr>, segment: Option<u16>) {
        assert!(self.has_room(0), "the batch is full");
        let at = self.messages;
        // SAFETY: all-zero octets are a valid mmsghdr.
        let mut header: mmsghdr = unsafe { zeroed() };
        if let Some(to) = to {
            let (name, length) = to_kernel(to);
            self.tables.names[at] = name;
            header.msg_hdr.msg_name = (&raw mut self.tables.names[at]).cast();
            header.msg_hdr.msg_namelen = length;
        }
        header.msg_hdr.msg_iov = self.tables.parts.as_mut_ptr().wrapping_add(self.parts);
        if let Some(segment) = segment {
            header.msg_hdr.msg_controllen = write_segment(&mut self.tables.controls[at], segment);
            header.msg_hdr.msg_control = (&raw mut self.tables.controls[at]).cast();
        }
        self.tables.headers[at] = header;
        self.messages += 1;
    }

    /// Adds a piece to the message begun last. Panics when there is no room, or no message: ask first.
    pub fn part(&mut self, data: &'a [u8]) {
        assert!(self.messages > 0, "a part belongs to a message");
        self.tables.parts[self.parts] = iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        self.parts += 1;
        self.tables.headers[self.messages - 1].msg_hdr.msg_iovlen += 1;
    }

    /// Sends the messages from number `first` on; returns how many went. Less than all: the next one met an error, which
    /// sending again from there returns.
    pub fn send(&mut self, socket: &impl AsFd, first: usize) -> io::Result<usize> {
        let headers = &mut self.tables.headers[..self.messages][first..];
        // SAFETY: every header points to `msg_iovlen` parts in the table, the parts to data that is borrowed for 'a,
        // names and controls to the tables; all of it outlives the call, and the kernel only reads it.
        let sent = check(unsafe {
            libc::sendmmsg(
                socket.as_fd().as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as u32,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        })?;
        Ok(sent as usize)
    }
}

/// Writes a UDP_SEGMENT control message; returns its length.
fn write_segment(control: &mut Control, segment: u16) -> usize {
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
    let (space, length) = unsafe { (libc::CMSG_SPACE(2) as usize, libc::CMSG_LEN(2) as usize) };
    let header = cmsghdr { cmsg_len: length, cmsg_level: libc::SOL_UDP, cmsg_type: libc::UDP_SEGMENT };
    let pointer = control.0.as_mut_ptr();
    // SAFETY: a control is aligned for a cmsghdr and larger than `space`; the two octets behind the header hold the value.
    unsafe {
        pointer.cast::<cmsghdr>().write(header);
        pointer.add(size_of::<cmsghdr>()).cast::<u16>().write_unaligned(segment);
    }
    space
}

/// Receives many messages with one system call.
pub struct ReceiveQueue {
    tables: Tables,
}

/// What is known of a received message beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub length: usize,
    /// The message was longer than the buffer.
    pub truncated: bool,
    pub from: Option<SocketAddr>,
    /// Several datagrams of one sender, each of so many octets but the last (UDP_GRO).
    pub segment: Option<usize>,
    /// A VLAN tag that the kernel took out of the frame (PACKET_AUXDATA).
    pub tag: Option<StrippedTag>,
}

/// A VLAN tag that the kernel took out of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrippedTag {
    pub protocol: u16,
    pub control: u16,
}

impl Default for ReceiveQueue {
    fn default() -> Self {
        Self { tables: Tables::new(BATCH) }
    }
}

impl ReceiveQueue {
    /// Receives into the buffers, at most [`BATCH`], one message each; returns how many came. Does not wait.
    pub fn receive<'b>(
        &mut self,
        socket: &impl AsFd,
        buffers: impl Iterator<Item = &'b mut [u8]>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for buffer in buffers.take(BATCH) {
            self.prepare(count, buffer);
            count += 1;
        }
        // SAFETY: the first `count` headers point to one part each, the parts to buffers that are borrowed for the
        // time of this call, names and controls to the tables, with their true lengths.
        let received = check(unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.tables.headers.as_mut_ptr(),
                count as u32,
                libc::MSG_DONTWAIT,
                null_mut(),
            )
        })?;
        Ok(received as usize)
    }

    fn prepare(&mut self, at: usize, buffer: &mut [u8]) {
        let tables = &mut self.tables;
        tables.parts[at] = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: all-zero octets are a valid mmsghdr.
        let mut header: mmsghdr = unsafe { zeroed() };
        header.msg_hdr.msg_name = (&raw mut tables.names[at]).cast();
        header.msg_hdr.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
        header.msg_hdr.msg_iov = &raw mut tables.parts[at];
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = (&raw mut tables.controls[at]).cast();
        header.msg_hdr.msg_controllen = CONTROL_ROOM;
        tables.headers[at] = header;
    }

    /// Message number `at` of those received last.
    pub fn message(&self, at: usize) -> Received {
        let header = &self.tables.headers[at];
        let mut received = Received {
            length: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            from: if header.msg_hdr.msg_namelen > 0 { from_kernel(&self.tables.names[at]) } else { None },
            segment: None,
            tag: None,
        };
        read_controls(&self.tables.controls[at], header.msg_hdr.msg_controllen, &mut received);
        received
    }
}

/// Walks the control messages that the kernel wrote.
fn read_controls(control: &Control, length: usize, received: &mut Received) {
    let header_length = size_of::<cmsghdr>();
    let mut rest = &control.0[..length.min(CONTROL_ROOM)];
    while rest.len() >= header_length {
        // SAFETY: at least a cmsghdr is there; it is read without regard to alignment.
        let header = unsafe { rest.as_ptr().cast::<cmsghdr>().read_unaligned() };
        if header.cmsg_len < header_length || header.cmsg_len > rest.len() {
            return;
        }
        let data = &rest[header_length..header.cmsg_len];
        read_control(header.cmsg_level, header.cmsg_type, data, received);
        rest = &rest[header.cmsg_len.next_multiple_of(8).min(rest.len())..];
    }
}

fn read_control(level: c_int, kind: c_int, data: &[u8], received: &mut Received) {
    match (level, kind) {
        (libc::SOL_UDP, libc::UDP_GRO) if data.len() >= size_of::<c_int>() => {
            // SAFETY: the length was checked; any octets are a valid int.
            let segment = unsafe { data.as_ptr().cast::<c_int>().read_unaligned() };
            received.segment = usize::try_from(segment).ok().filter(|&it| it > 0);
        }
        (libc::SOL_PACKET, libc::PACKET_AUXDATA) if data.len() >= size_of::<tpacket_auxdata>() => {
            // SAFETY: the length was checked; any octets are a valid tpacket_auxdata.
            let auxiliary = unsafe { data.as_ptr().cast::<tpacket_auxdata>().read_unaligned() };
            received.tag = stripped_tag(&auxiliary);
        }
        _ => {}
    }
}

fn stripped_tag(auxiliary: &tpacket_auxdata) -> Option<StrippedTag> {
    if auxiliary.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let known = auxiliary.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    let protocol = if known { auxiliary.tp_vlan_tpid } else { libc::ETH_P_8021Q as u16 };
    Some(StrippedTag { protocol, control: auxiliary.tp_vlan_tci })
}

/// Receives one message of a socket's error queue: its control messages and the address that it was sent to.
pub(crate) fn receive_error(socket: &impl AsFd, controls: &mut [u8]) -> io::Result<(Option<SocketAddr>, usize)> {
    // SAFETY: all-zero octets are valid values of both.
    let (mut name, mut header) = unsafe { (zeroed::<sockaddr_storage>(), zeroed::<libc::msghdr>()) };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
    header.msg_control = controls.as_mut_ptr().cast();
    header.msg_controllen = controls.len();
    // SAFETY: the header points to a name and to controls that outlive the call, with their true lengths, and to no data.
    let result =
        unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    check_length(result)?;
    Ok((from_kernel(&name), header.msg_controllen))
}
