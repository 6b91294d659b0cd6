//! Raft between directors: openraft's network over the internal gRPC service, and the election that the liveness of the
//! rails starts long before Raft's own timer would.

mod client;
mod codec;
mod election;
mod service;
mod setup;

pub use client::Network;
pub use codec::{decode, encode};
pub use election::watch_leader;
pub use service::{MAX_MESSAGE, RaftEndpoint};
pub use setup::{RaftSetupError, found, start};
