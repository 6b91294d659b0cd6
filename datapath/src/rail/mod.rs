//! A rail: one of the two fabrics, as one thread uses it.
//!
//! ```text
//!            post (many)        flush                       receive
//!   thread ─────────────▶ queue ─────▶ ═══ the fabric ═══ ─────────▶ a batch of messages, in the arena
//! ```
//!
//! Messages, not streams; buffers of the thread's [`Arena`], which a rail may register with its hardware; a batch of sends
//! is posted and a batch of receives is polled. Delivery is best effort: a message arrives whole, or not at all, perhaps
//! twice, perhaps out of order.
//!
//! Twins: [`udp`] (the kernel's sockets), [`verbs`] (RDMA), [`sim`] (in memory, seeded, on the time that is passed in), and [`chaos`], which
//! wraps another one and spoils what comes through it.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use twinrail_proto::domain::Rail;
use twinrail_proto::rail::Header;

use crate::Cause;
use crate::arena::{Arena, Piece};
use crate::config::RailsConfig;
use crate::error::StartError;
use crate::head::Head;
use verbs::VerbsConfig;

pub mod chaos;
mod reassembly;
pub mod sim;
pub mod udp;
pub mod verbs;

/// Monotonic time, in ns.
pub type Nanos = u64;

/// A message to send: the head, then the body.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    pub to: IpAddr,
    /// The largest datagram that the way to this peer takes whole. Larger messages travel in fragments.
    pub limit: u32,
    pub head: Head,
    pub body: Option<Piece>,
}

/// A message received. Whoever takes it releases its slot.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub from: IpAddr,
    pub message: Piece,
}

/// What became of the messages of a flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    pub sent: u64,
    pub fragmented: u64,
    /// The rail's queue was full.
    pub full: u64,
    pub refused: u64,
    pub too_large: u64,
    /// There is no connection with the peer, on a rail that has them. Hellos, which make one, are not counted.
    pub unconnected: u64,
}

/// What a receive left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveReport {
    /// There may be more: the batch was full.
    pub more: bool,
    /// From a port that is no rail's.
    pub strangers: u64,
    pub bad_fragments: u64,
    pub incomplete: u64,
    /// The arena had no slot for it.
    pub no_buffer: u64,
    /// There are refusals or causes to be read.
    pub closed: bool,
}

/// The sending end of a rail. Each thread has its own.
pub trait RailSender: Send {
    /// Queues a message. The rail holds the body's slot until it has sent it.
    fn post(&mut self, arena: &mut Arena, message: Outgoing);
    /// Sends what is queued.
    fn flush(&mut self, arena: &mut Arena, now: Nanos) -> SendReport;
    /// The largest datagram that this machine's end takes whole: what hellos tell the peers.
    fn limit(&self) -> u32;
    /// A path came up: what was known of the rail's MTU may have changed.
    fn refresh(&mut self);
}

/// The receiving end of a rail: one of a machine's threads has it.
pub trait RailReceiver: Send {
    /// Takes a batch of messages, without waiting, and adds them to `into`.
    fn receive(&mut self, arena: &mut Arena, now: Nanos, into: &mut Vec<Incoming>) -> ReceiveReport;
    /// The next peer that is known to have closed its end, if any.
    fn next_refusal(&mut self) -> Option<IpAddr>;
    /// Why the rail closed a path, or dropped what was no message; None: nothing more to be counted.
    fn next_cause(&mut self) -> Option<Cause>;
    /// What to wait on; None: nothing to wait on, look again at the deadline.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// When a message that is here already is due.
    fn next_deadline(&self) -> Option<Nanos>;
}

/// One rail of a machine: its receiving end, and a sending end for each of the two threads.
pub struct RailEnds {
    pub receiver: Box<dyn RailReceiver>,
    pub senders: [Box<dyn RailSender>; 2],
}

/// What carries a rail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RailKind {
    #[default]
    Udp,
    Verbs(VerbsConfig),
}

/// Opens both rails of a machine, with the faults that are to be injected.
pub(crate) fn open_both(config: &RailsConfig, header: Header) -> Result<[RailEnds; 2], StartError> {
    let open = |rail: Rail| -> Result<RailEnds, StartError> {
        let address = config.addresses.on(rail);
        let ends = match &config.kinds[rail.index()] {
            RailKind::Udp => udp::open(address, config.port, header)?,
            RailKind::Verbs(verbs) => verbs::open(address, config.port, header, verbs)?,
        };
        Ok(match &config.faults {
            Some(faults) => faults.wrap(rail, ends),
            None => ends,
        })
    };
    Ok([open(Rail::A)?, open(Rail::B)?])
}
