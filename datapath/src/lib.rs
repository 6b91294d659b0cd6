//! The frame path: rails, LAN ports and devices, and the two engines between them. No gRPC, no Raft, no tokio: own threads,
//! batches, preallocated buffers; nothing is allocated or locked per frame.
//!
//! ```text
//!   server                                              director
//!   device ─▶ from devices ─▶ outbox ══ rail A/B ══▶ from rails ─▶ switch ─▶ LAN port
//!   device ◀─ from rails ◀════════════ rail A/B ═══ outbox ◀─ from uplinks ◀─ LAN port
//! ```
//!
//! * [`DirectorDatapath`] and [`ServerDatapath`] run on threads; [`SteppedDirector`] and [`SteppedServer`] are the same engines
//!   for a simulation.
//! * What decides is apart from what does: [`liveness`], `lease`, `director::switch`, `director::hold` and
//!   [`Pace`] know no socket and no clock.
//! * Every drop has a [`Cause`], and is counted.
//! * Storage beside it: [`scsi`] is the language of vHBAs and SANs, [`san`] is where vHBAs log in, [`commands`] carries SCSI
//!   commands from servers to there, [`nbd`] is how a server's programs attach disks, [`disks`] puts these together there.

#[cfg(target_endian = "big")]
compile_error!("offload headers travel as the kernel writes them, and the rails want them little-endian");

pub mod arena;
mod cause;
mod clock;
pub mod commands;
mod config;
mod counters;
mod director;
pub mod disks;
mod driver;
pub mod edge;
mod error;
mod event;
mod exchange;
mod fast_map;
mod flow;
mod frame;
pub mod head;
mod lease;
pub mod liveness;
pub mod nbd;
mod outbox;
mod peer;
mod priority;
mod prober;
pub mod rail;
mod rail_side;
mod recorder;
mod report;
pub mod san;
pub mod scsi;
mod server;
mod step;
mod waiter;

pub use cause::Cause;
pub use clock::Clock;
pub use config::{DirectorConfig, RailsConfig, ServerConfig};
pub use counters::{AdapterCounters, Counters, Traffic};
pub use director::{Carry, DirectorAdapter, DirectorDatapath, DirectorTable, LanPort, Pace, SteppedDirector};
pub use edge::kernel::port_state;
pub use error::{EdgeError, Problem, StartError};
pub use event::{Event, Events};
pub use lease::{Grant, Lease, Pause, STALL, StallGuard};
pub use liveness::DownCause;
pub use peer::{Machine, PathState, Peer};
pub use priority::Priority;
pub use rail::Nanos;
pub use recorder::{FlightRecord, RECORDS, Recorded, read_flight_records};
pub use report::PublishReport;
pub use server::{ServerAdapter, ServerDatapath, ServerTable, SteppedServer};
pub use twinrail_datapath_sys::monotonic_ns;
pub use waiter::{Bell, Waiter};
