//! Frames over RDMA verbs: InfiniBand, RoCE, Soft-RoCE.
//!
//! ```text
//!   thread 0 ── sender 0 ── queue pair 0 ═╗                      ╔═ queue pair 0 ─┐
//!   thread 1 ── sender 1 ── queue pair 1 ═╬══ one path, to one ══╬═ queue pair 1 ─┤   the same at the peer
//!   thread 0 ── receiver ── one shared receive queue for all     ╚════════════════┘
//!   connector ── the rail's UDP address: connect, accept; makes and destroys queue pairs, hears of their failures
//! ```
//!
//! A path is set up by datagrams at the address and port that the rail has anyway ([`Connection`]): a machine stays known by
//! the addresses of its rails, subnets of LIDs and of GIDs are reached alike, a peer whose process is gone is refused by its
//! kernel, and a director in a network namespace of its own can use a device of the first one, which rdma_cm cannot. The lower
//! address asks; the higher one calls when it has no path. Whoever posts a hello and has no path makes one.
//!
//! Guarantees:
//! * Messages go whole, up to 64 KiB, from where they are: the arena's memory is registered, and a slot is held until the
//!   hardware is done with it. They are received into registered buffers that take the place of an arena's slot: no copy.
//! * A receiver that is slow never breaks a path: no more is under way than it has promised to take (`credits`); what
//!   does not go is counted as `rail_full`. Where receives were promised twice, the sender's hardware waits.
//! * A path that fails is closed with a counted cause, told as a refusal, and made anew by the next hello. Others do not notice.
//! * No thread of the datapath waits for the kernel: making and destroying queue pairs is the connector's.
//!
//! # Memory
//!
//! It is locked (RLIMIT_MEMLOCK, or the right CAP_IPC_LOCK). A rail has `receives` buffers of 68 KiB for all its peers together:
//! 1024 of them, the default, are 68 MiB a rail. Each thread's arena (512 slots, 34 MiB) is registered with both rails. A
//! machine with two rails over verbs so locks 2 × 68 + 2 × 34 = 204 MiB, *whether it has three peers or 300*. With 300 servers
//! the windows are 64 messages for the first few and 4 for most, so that 2 × 300 × (4 + 4) = 4,800 receives are promised and
//! 1,024 are there: only when a fifth of all servers fill their windows at the same instant does a sender have to wait. A queue
//! pair costs 12 to 72 requests of about 128 octets beside that: 600 of them about 2 MiB. Buffers of their own for 300
//! servers would be 2 × 300 × 68 × 68 KiB = 2.6 GiB.
//!
//! [`Connection`]: twinrail_proto::rail::Connection

mod config;
#[cfg(feature = "verbs")]
mod connector;
#[cfg(feature = "verbs")]
mod credits;
#[cfg(feature = "verbs")]
mod memory;
#[cfg(feature = "verbs")]
mod open;
#[cfg(feature = "verbs")]
mod path;
#[cfg(feature = "verbs")]
mod port;
#[cfg(feature = "verbs")]
mod receiver;
#[cfg(feature = "verbs")]
mod sender;

pub use config::VerbsConfig;
#[cfg(feature = "verbs")]
pub use open::open;

/// Opens a rail on this machine's address on it.
#[cfg(not(feature = "verbs"))]
pub fn open(
    address: std::net::IpAddr,
    _port: u16,
    _header: twinrail_proto::rail::Header,
    _config: &VerbsConfig,
) -> Result<super::RailEnds, crate::StartError> {
    let source = std::io::Error::other("this program was built without the feature `verbs`");
    Err(crate::StartError::OpenVerbs { address, source })
}
