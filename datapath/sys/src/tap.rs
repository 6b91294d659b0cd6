use std::ffi::{c_int, c_uint};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::check;

/// A TAP device of ours. Each read gives and each write takes one frame with an offload header of 10 octets before it.
/// The device goes away with the value.
#[derive(Debug)]
pub struct Tap {
    file: File,
}

/// What we take from the kernel undone: checksums, and segments of TCP and UDP.
const OFFLOADS: c_uint =
    libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN | libc::TUN_F_USO4 | libc::TUN_F_USO6;

/// The same for kernels before 6.2, which do not know segments of UDP.
const OLDER_OFFLOADS: c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;

impl Tap {
    /// Makes the device; fails when any device has this name. `InvalidInput`: the name is empty or longer than 15 octets.
    pub fn create(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        // SAFETY: all-zero octets are a valid ifreq.
        let mut request: libc::ifreq = unsafe { zeroed() };
        if name.is_empty() || name.len() >= request.ifr_name.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a device name has 1 to 15 octets"));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
        request.ifr_ifru.ifru_flags = flags as i16;
        // SAFETY: TUNSETIFF reads and writes an ifreq, and `request` is one.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
        let tap = Self { file };
        tap.set_header()?;
        tap.set_offloads()?;
        Ok(tap)
    }

    fn set_header(&self) -> io::Result<()> {
        for (what, value) in [(libc::TUNSETVNETHDRSZ, 10 as c_int), (libc::TUNSETVNETLE, 1)] {
            // SAFETY: both calls read an int, and `value` is one.
            check(unsafe { libc::ioctl(self.file.as_raw_fd(), what, &raw const value) })?;
        }
        Ok(())
    }

    fn set_offloads(&self) -> io::Result<()> {
        let set = |offloads: c_uint| {
            // SAFETY: TUNSETOFFLOAD takes its value in place of a pointer.
            check(unsafe { libc::ioctl(self.file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offloads)) })
        };
        set(OFFLOADS).or_else(|_| set(OLDER_OFFLOADS)).map(drop)
    }

    /// One frame; `WouldBlock`: there is none. One that is longer than the buffer is cut.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }

    pub fn write(&self, frame: &[u8]) -> io::Result<usize> {
        (&self.file).write(frame)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
