//! The simulator: one seed makes a whole world on a virtual clock, and the same seed makes the same world.
//!
//! ```text
//!   seed ─▶ params, clocks, schedule of faults
//!              │
//!              ▼            events in the order of their times
//!   ┌─ World ───────────────────────────────────────────────────┐
//!   │  clients ─▶ directors ◀─▶ servers        rails, streams   │──▶ observations ─▶ judge ─▶ invariants
//!   │               │   │                                       │                      └────▶ trace
//!   │             disks array, LAN switch and host              │
//!   └───────────────────────────────────────────────────────────┘
//!   safety:   faults of every kind; every invariant holds at every moment
//!   liveness: faults end for a quorum (a minority may stay dead); everything serves again within a bound
//!   failover: a home loses its power in the calm; its vNICs answer again within a bound
//! ```
//!
//! What is real: everything that decides (`failover`: detector, placement, lease, release, agent, takeover, election) and the
//! replicated state (`raft_store::state`: apply, validate, snapshots as they are encoded). What is simulated: everything with
//! a clock, a socket or a disk. **Consensus is simulated, too** (`consensus`): openraft runs on threads and in `async`, which
//! is not bit-exact; nothing is proven of it here. Uplinks of directors do not fail here, leadership moves by itself or by a
//! drain, and membership does not change.
//!
//! `make sim`, or `cargo run --release -p twinrail-chaos-tests --bin sim -- --help`.

pub mod bugs;
mod client;
mod clock;
mod consensus;
mod context;
mod director;
mod disk;
pub mod faults;
pub mod invariants;
mod judge;
mod lan;
mod message;
mod network;
mod observation;
pub mod params;
pub mod prove;
mod queue;
pub mod report;
mod rng;
pub mod run;
mod san;
mod server;
pub mod shrink;
mod world;

pub use judge::Finding;
