use std::ffi::c_int;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::{check, interface_index, socket};

/// Buffers of an uplink's socket; see the rail's.
const BUFFER: c_int = 16 << 20;

/// packet(7): an interface number of 0 matches any.
const ALL_DEVICES: c_int = 0;

/// A raw socket on one LAN port: every frame that comes in there, and none that goes out, each with an offload header
/// before it and with its VLAN tag beside it.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens it on the device and makes the device promiscuous for as long as the socket is open.
    pub fn open(device: &str) -> io::Result<Self> {
        let index = interface_index(device)?;
        let fd = unbound()?;
        let promiscuous = libc::packet_mreq {
            mr_ifindex: index,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        socket::set_option(&fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, promiscuous)?;
        bind(&fd, index)?;
        Ok(Self { fd })
    }

    /// Receives from every device of this network namespace, those that are still to come included. It sends nothing, because
    /// it has no device to send by.
    pub fn open_on_all() -> io::Result<Self> {
        let fd = unbound()?;
        bind(&fd, ALL_DEVICES)?;
        Ok(Self { fd })
    }
}

/// No protocol yet: nothing is received before the socket is bound to its device.
fn unbound() -> io::Result<OwnedFd> {
    let fd = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    for option in [libc::PACKET_VNET_HDR, libc::PACKET_AUXDATA, libc::PACKET_IGNORE_OUTGOING] {
        socket::set_option(&fd, libc::SOL_PACKET, option, 1 as c_int)?;
    }
    socket::set_buffers(&fd, BUFFER)?;
    Ok(fd)
}

fn bind(fd: &OwnedFd, index: c_int) -> io::Result<()> {
    // SAFETY: all-zero octets are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` is `length` readable octets and outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
