//! Command streams over TCP, on both rails: one connection for each (vHBA, path) that is in use.
//!
//! ```text
//!   TcpInitiator ── connects from its address on the rail ──▶ TcpTargets listens on both rails
//!        │ Initiator                                               │ a Target for each vHBA
//!        └─ one epoll: connections                                 └─ one epoll: listeners, connections, SAN sessions
//! ```
//!
//! Both are used by one thread and never wait by themselves: the thread waits on their descriptor until their deadline, and
//! calls `turn`. Who connects is known by the source address, which the rail's fabric vouches for.

mod agent;
mod director;
mod wire;

pub use agent::{AgentAddresses, TcpInitiator};
pub use director::{Listening, TcpTargets};

use std::time::Duration;

/// Descriptors served in one turn.
const READY_AT_ONCE: usize = 64;

/// A turn that looks only at what is ready.
const NO_TIME: Option<Duration> = Some(Duration::ZERO);
