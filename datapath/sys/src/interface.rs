use std::ffi::{CString, c_int};
use std::io;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

use crate::{check, socket};

/// The kernel's number of a device.
pub fn interface_index(device: &str) -> io::Result<c_int> {
    let name = CString::new(device)?;
    // SAFETY: `name` is a string that ends with a zero octet.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index as c_int),
    }
}

/// Whether the device is set up, and whether what it is plugged into is up too.
pub fn interface_flags(device: &str) -> io::Result<InterfaceFlags> {
    let name = CString::new(device)?;
    let mut padded = [0; libc::IFNAMSIZ];
    if name.as_bytes().len() >= padded.len() {
        return Err(io::ErrorKind::NotFound.into());
    }
    for (to, from) in padded.iter_mut().zip(name.as_bytes()) {
        *to = *from as libc::c_char;
    }
    let request = ask_device(padded, libc::SIOCGIFFLAGS)?;
    // SAFETY: the call succeeded, so the kernel wrote the flags there.
    let flags = c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    Ok(InterfaceFlags { up: flags & libc::IFF_UP != 0, running: flags & libc::IFF_RUNNING != 0 })
}

/// What [`interface_flags`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceFlags {
    pub up: bool,
    pub running: bool,
}

/// The MTU of the device that has this address; None: no device has it.
pub fn mtu_of_address(address: IpAddr) -> io::Result<Option<u32>> {
    with_address(address)?.map(mtu_of_device).transpose()
}

/// The name of the device that has this address; None: no device has it.
pub fn device_of_address(address: IpAddr) -> io::Result<Option<String>> {
    let text = |name: [libc::c_char; libc::IFNAMSIZ]| {
        let octets: Vec<u8> = name.iter().map(|&it| it as u8).take_while(|&it| it != 0).collect();
        String::from_utf8_lossy(&octets).into_owned()
    };
    Ok(with_address(address)?.map(text))
}

fn with_address(address: IpAddr) -> io::Result<Option<[libc::c_char; libc::IFNAMSIZ]>> {
    let mut list: *mut libc::ifaddrs = null_mut();
    // SAFETY: `list` is a valid place for the pointer that getifaddrs writes.
    check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let name = find_device(list, address);
    // SAFETY: `list` came from getifaddrs and is given back once; `name` is a copy.
    unsafe { libc::freeifaddrs(list) };
    Ok(name)
}

/// The name of the device with the address, copied out of the list.
fn find_device(list: *mut libc::ifaddrs, address: IpAddr) -> Option<[libc::c_char; libc::IFNAMSIZ]> {
    let mut next = list;
    // SAFETY: getifaddrs gives a list that ends with null; each entry is valid until it is freed by the caller.
    while let Some(entry) = unsafe { next.as_ref() } {
        if address_of(entry) == Some(address) {
            // SAFETY: the name of an entry is a string that ends with a zero octet.
            let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) };
            let mut copy = [0; libc::IFNAMSIZ];
            for (to, from) in copy.iter_mut().zip(name.to_bytes().iter().take(libc::IFNAMSIZ - 1)) {
                *to = *from as libc::c_char;
            }
            return Some(copy);
        }
        next = entry.ifa_next;
    }
    None
}

fn address_of(entry: &libc::ifaddrs) -> Option<IpAddr> {
    // SAFETY: an entry's address is null or a socket address whose size its family gives; all-zero octets are a valid
    // sockaddr_storage, and no more than the family's size is copied into it.
    unsafe {
        let family = c_int::from(entry.ifa_addr.as_ref()?.sa_family);
        let length = match family {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => return None,
        };
        let mut storage: libc::sockaddr_storage = zeroed();
        std::ptr::copy_nonoverlapping(entry.ifa_addr.cast::<u8>(), (&raw mut storage).cast::<u8>(), length);
        socket::from_kernel(&storage).map(|it| it.ip())
    }
}

fn mtu_of_device(name: [libc::c_char; libc::IFNAMSIZ]) -> io::Result<u32> {
    let request = ask_device(name, libc::SIOCGIFMTU)?;
    // SAFETY: the call succeeded, so the kernel wrote the MTU there.
    Ok(unsafe { request.ifr_ifru.ifru_mtu } as u32)
}

/// Asks for one thing of a device by a SIOCGIF… call: the answer is in the request that comes back.
fn ask_device(name: [libc::c_char; libc::IFNAMSIZ], what: libc::Ioctl) -> io::Result<libc::ifreq> {
    let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: all-zero octets are a valid ifreq.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_name = name;
    // SAFETY: the calls that this is used with read and write an ifreq, and `request` is one.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), what, &raw mut request) })?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_found_by_its_address() {
        let mtu = mtu_of_address("127.0.0.1".parse().unwrap()).unwrap();
        assert!(mtu.is_some_and(|it| it >= 1280), "{mtu:?}");
        assert_eq!(mtu_of_address("203.0.113.77".parse().unwrap()).unwrap(), None);
        assert_eq!(device_of_address("127.0.0.1".parse().unwrap()).unwrap().as_deref(), Some("lo"));
        assert!(interface_index("lo").unwrap() > 0);
        assert!(interface_index("no-such-device").is_err());
    }

    #[test]
    fn a_device_says_whether_it_runs() {
        assert!(interface_flags("lo").is_ok());
        for missing in ["no-such-device", "a-name-that-no-device-can-have"] {
            assert!(interface_flags(missing).is_err());
        }
    }
}
