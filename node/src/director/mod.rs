//! A director: Raft voter, API server, datapath.
//!
//! ```text
//!   run         builds everything, runs it, stops it in order
//!   cluster     the handle that the API uses ──▶ leader: plans and commits, here or on the director that leads
//!   raft        openraft's network, and the elections that the rails' hellos start
//!   bootstrap   founds the cluster, claims this director's id; membership: voters follow the list of directors
//!   liveness    who is lost ──▶ reconciler: homes follow the world; releases: planned moves between servers
//!   lease       for how long this director may carry
//!   uplinks     which ports on LANs work, everybody's
//!   carriage    the applied state put into force in the datapath, and told to the agents
//!   vhba        the same for vHBAs: logins at SANs, their fences, and the commands of the servers
//! ```

mod agents;
mod assignment;
mod bootstrap;
mod carriage;
mod cluster;
mod core;
mod feed;
mod foresight;
mod forward;
mod gate;
mod health;
mod homes;
mod leader;
mod leadership;
mod lease;
mod liveness;
mod members;
mod membership;
mod metrics;
mod planning;
mod raft;
mod receipt;
mod reconciler;
mod releases;
mod reports;
mod run;
mod status;
mod table;
mod uplinks;
mod vhba;

pub use agents::{DeviceState, VhbaReport};
pub use cluster::{Call, CallError, Cluster, Intent, StateRef, WatchError};
pub use run::{DirectorError, run};
pub use status::{ClusterStatus, DirectorStatus, PathStatus, UplinkStatus};
