//! The only crate with `unsafe`: one wrapper for each kernel object that the datapath uses. No policy in here.
//!
//! ```text
//!   clock    CLOCK_MONOTONIC                        epoll    wait for many descriptors
//!   event    eventfd: wake a waiting thread         timer    timerfd: wake at an interval
//!   tap      a TAP device with offload headers      link     its address, MTU, queue and limits, by rtnetlink
//!   packet   AF_PACKET on a LAN port                udp      the socket of a rail
//!   batch    sendmmsg and recvmmsg                  thread   priority and network namespace of a thread
//!   mapped   a file in shared memory                 hole     fallocate: give a file's storage back
//!   tcp      begin and tune a TCP connection        poll     wait for a few descriptors, both ways
//!   pages    memory in buffers that never move      verbs    RDMA (only with the feature `verbs`)
//! ```
//!
//! Guarantees: every wrapper owns its descriptor and closes it; every public function is safe whatever its arguments
//! are; errors are the kernel's own (`std::io::Error`), and the caller adds what was being done.

mod batch;
mod clock;
mod epoll;
mod event;
mod hole;
mod interface;
mod link;
mod mapped;
mod packet;
mod pages;
mod poll;
mod socket;
mod tap;
mod tcp;
mod thread;
mod timer;
mod udp;
#[cfg(feature = "verbs")]
pub mod verbs;

pub use batch::{BATCH, ReceiveQueue, Received, SendBatch, SendQueue, StrippedTag};
pub use clock::monotonic_ns;
pub use epoll::{Epoll, Events, Readiness};
pub use event::EventFd;
pub use hole::punch_hole;
pub use interface::{InterfaceFlags, device_of_address, interface_flags, interface_index, mtu_of_address};
pub use link::{LinkSettings, configure_link};
pub use mapped::MappedFile;
pub use packet::PacketSocket;
pub use pages::{Buffer, Pages};
pub use poll::{Interest, Ready, wait_ready};
pub use tap::Tap;
pub use tcp::{begin_connection, tune_tcp};
pub use thread::{enter_network_namespace, set_nice};
pub use timer::TimerFd;
pub use udp::{Refusal, UdpSocket};

/// Turns the result of a C function into the error it stands for.
fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for functions that return a length.
fn check_length(result: isize) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error())
}
