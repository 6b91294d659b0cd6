//! The replicated state of a Twinrail cluster, and the store that keeps it.
//!
//! ```text
//!   state     what the cluster knows: a pure `apply(state, command) -> outcome`, and `validate`, its invariants
//!   store     the Raft log, the vote and snapshots on sled, made durable; implements openraft's storage traits
//!   proposal  a command on its way through the log, encoded once
//!   raft      the openraft type configuration: what a log entry is, what the state machine answers
//! ```

pub mod proposal;
pub mod raft;
pub mod state;
pub mod store;
