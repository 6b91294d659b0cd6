//! What all sockets share: making them, options, and addresses as the kernel writes them.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

use crate::check;

pub(crate) fn open(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option whose value is plain data.
pub(crate) fn set_option<T: Copy>(fd: &OwnedFd, level: c_int, name: c_int, value: T) -> io::Result<()> {
    let length = size_of::<T>() as socklen_t;
    // SAFETY: `value` is `length` readable octets and outlives the call; the kernel checks level, name and length.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) }).map(drop)
}

/// Buffers of `octets`: beyond the system's limit when permitted, else as large as that allows.
pub(crate) fn set_buffers(fd: &OwnedFd, octets: c_int) -> io::Result<()> {
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set_option(fd, libc::SOL_SOCKET, forced, octets).is_err() {
            set_option(fd, libc::SOL_SOCKET, plain, octets)?;
        }
    }
    Ok(())
}

/// Any address, in the kernel's form, and its length.
pub(crate) fn to_kernel(address: SocketAddr) -> (sockaddr_storage, socklen_t) {
    // SAFETY: all-zero octets are a valid sockaddr_storage.
    let mut storage: sockaddr_storage = unsafe { zeroed() };
    let pointer = &raw mut storage;
    let length = match address {
        SocketAddr::V4(v4) => {
            let value = sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_storage has the room and the alignment of every socket address.
            unsafe { pointer.cast::<sockaddr_in>().write(value) };
            size_of::<sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let value = sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { pointer.cast::<sockaddr_in6>().write(value) };
            size_of::<sockaddr_in6>()
        }
    };
    (storage, length as socklen_t)
}

/// None: no internet address.
pub(crate) fn from_kernel(storage: &sockaddr_storage) -> Option<SocketAddr> {
    let pointer = std::ptr::from_ref(storage);
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that a sockaddr_in is there, and a sockaddr_storage is large enough for it.
            let v4 = unsafe { pointer.cast::<sockaddr_in>().read() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that a sockaddr_in6 is there, and a sockaddr_storage is large enough for it.
            let v6 = unsafe { pointer.cast::<sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back() {
        for text in ["10.71.1.2:7403", "[fd00::1]:7403", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(from_kernel(&to_kernel(address).0), Some(address));
        }
    }
}
