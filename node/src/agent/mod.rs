//! A server's agent: keeps the vNICs that the directors assign to this server as real devices, and each of them connected
//! to its home.
//!
//! ```text
//!   attach (one stream per director) ──▶ run: failover::agent decides ──▶ table ──▶ datapath: devices, rails
//!        ▲                                    │
//!        └── said: releases, device reports ──┘        memory: the highest epochs, on disk
//! ```

mod attach;
mod identity;
mod keeper;
mod memory;
mod run;
mod table;
mod vhba;
mod words;

pub use run::{AgentError, run};
