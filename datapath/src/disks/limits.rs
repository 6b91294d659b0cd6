//! How much a vHBA has, and what happens beyond.

use crate::rail::Nanos;

/// Logical units of one vHBA, as many as Linux asks for by default twice over. Those that a SAN shows beyond are not
/// served, the lowest numbers first, and this is said.
pub const LUNS: usize = 256;

/// Times that a unit may put off one question of the discovery.
pub const ATTEMPTS: u32 = 100;

/// How long to wait with a question that a unit cannot answer now.
pub const PAUSE: Nanos = 100_000_000;

/// How long to wait before a discovery that failed is tried again: somebody has to change something first, mostly.
pub const REDISCOVER: Nanos = 5_000_000_000;

/// Requests that clients have handed over and that the vHBA's thread has not yet seen. Clients stop long before
/// ([`crate::nbd::limits::REQUESTS`] for each); one more is answered with an input/output error.
pub const QUEUE: usize = 1 << 16;

/// How long commands in flight are waited for while no home is attached, when the vHBA goes: what a former home still has,
/// the fence of the next one ends.
pub const FAREWELL: Nanos = 1_000_000_000;
