use std::io;
use std::os::fd::AsRawFd;

use libc::{IFF_UP, IFLA_ADDRESS, IFLA_GSO_MAX_SIZE, IFLA_MTU, IFLA_TXQLEN, NLM_F_ACK, NLM_F_REQUEST, RTM_NEWLINK};

use crate::{check_length, interface_index, socket};

/// `linux/if_link.h`; the crate libc has it only for Android.
const IFLA_GSO_IPV4_MAX_SIZE: u16 = 63;

/// How a device is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    pub mac: [u8; 6],
    pub mtu: u32,
    /// Frames that may wait in the device.
    pub queue: u32,
    /// The largest super-frame that the kernel gives to the device, in octets of its IP packet.
    pub largest_packet: u32,
}

const HEADER: usize = size_of::<libc::nlmsghdr>();
const LINK: usize = size_of::<libc::ifinfomsg>();

/// Sets all of it and takes the device up. A kernel that does not know the limit for super-frames ignores it.
pub fn configure_link(device: &str, settings: &LinkSettings) -> io::Result<()> {
    let index = interface_index(device)?;
    let fd = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let message = request(index, settings);
    // SAFETY: `message` is readable for its whole length.
    let sent = unsafe { libc::send(fd.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    check_length(sent)?;
    let mut answer = [0u8; 4096];
    // SAFETY: `answer` is writable for its whole length. The kernel answers rtnetlink requests before send returns.
    let length = check_length(unsafe { libc::recv(fd.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) })?;
    acknowledged(&answer[..length])
}

fn request(index: i32, settings: &LinkSettings) -> Vec<u8> {
    let mut message = vec![0; HEADER];
    // struct ifinfomsg: family, padding, type, index, flags, and which flags are meant.
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&index.to_ne_bytes());
    message.extend_from_slice(&(IFF_UP as u32).to_ne_bytes());
    message.extend_from_slice(&(IFF_UP as u32).to_ne_bytes());
    assert_eq!(message.len(), HEADER + LINK);
    attribute(&mut message, IFLA_ADDRESS, &settings.mac);
    attribute(&mut message, IFLA_MTU, &settings.mtu.to_ne_bytes());
    attribute(&mut message, IFLA_TXQLEN, &settings.queue.to_ne_bytes());
    attribute(&mut message, IFLA_GSO_MAX_SIZE, &settings.largest_packet.to_ne_bytes());
    attribute(&mut message, IFLA_GSO_IPV4_MAX_SIZE, &settings.largest_packet.to_ne_bytes());
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&((NLM_F_REQUEST | NLM_F_ACK) as u16).to_ne_bytes());
    message
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// An acknowledgement is an error message with the error 0.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let Some(number) = answer.get(HEADER..HEADER + 4) else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "rtnetlink gave no full answer"));
    };
    match i32::from_ne_bytes([number[0], number[1], number[2], number[3]]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
