use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::c_int;

use crate::{batch, check, socket};

/// Buffers of a rail's socket: about 250 super-frames, or 10 ms at 13 Gb/s, which a thread may be kept from running.
/// When they are full the kernel drops, and counts.
const BUFFER: c_int = 16 << 20;

/// The socket of one rail: not connected, non-blocking, with segmentation offload both ways. Datagrams are never
/// fragmented by IP: one that is too large is refused when it is sent.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
}

/// A datagram of ours came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it was sent to.
    pub to: SocketAddr,
    /// Nobody has that port open there: the process is gone.
    pub port_closed: bool,
}

impl UdpSocket {
    /// Bound to the address, which need not be there yet: the cable may be plugged in later.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let v4 = address.is_ipv4();
        let domain = if v4 { libc::AF_INET } else { libc::AF_INET6 };
        let fd = socket::open(domain, libc::SOCK_DGRAM, 0)?;
        // IP_FREEBIND is also read for IPv6 sockets.
        socket::set_option(&fd, libc::SOL_IP, libc::IP_FREEBIND, 1 as c_int)?;
        let (level, discover, errors) = match v4 {
            true => (libc::SOL_IP, libc::IP_MTU_DISCOVER, libc::IP_RECVERR),
            false => (libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_RECVERR),
        };
        socket::set_option(&fd, level, discover, libc::IP_PMTUDISC_DO)?;
        socket::set_option(&fd, level, errors, 1 as c_int)?;
        socket::set_option(&fd, libc::SOL_UDP, libc::UDP_GRO, 1 as c_int)?;
        socket::set_buffers(&fd, BUFFER)?;
        let (name, length) = socket::to_kernel(address);
        // SAFETY: `name` holds an address of `length` octets and outlives the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), length) })?;
        Ok(Self { fd })
    }

    /// A second handle of the same socket, for another thread.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()? })
    }

    /// The next datagram that came to nothing; None: there is no more. Errors that name no address are passed over.
    pub fn next_refusal(&self) -> io::Result<Option<Refusal>> {
        loop {
            let mut controls = [0u8; 256];
            match batch::receive_error(self, &mut controls) {
                Ok((Some(to), length)) => {
                    let port_closed = error_number(&controls[..length.min(256)]) == Some(libc::ECONNREFUSED as u32);
                    return Ok(Some(Refusal { to, port_closed }));
                }
                Ok((None, _)) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The first control message of the error queue is a cmsghdr and a sock_extended_err, whose first field is the errno.
fn error_number(controls: &[u8]) -> Option<u32> {
    let at = size_of::<libc::cmsghdr>();
    controls.get(at..at + 4).map(|octets| u32::from_ne_bytes([octets[0], octets[1], octets[2], octets[3]]))
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
