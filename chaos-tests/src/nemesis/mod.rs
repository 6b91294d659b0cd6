//! The nemesis: a cluster of real processes in the lab, real clients on it, and faults that are drawn from a seed. Afterwards every
//! invariant is judged by what was really observed, and a report with pictures is written.
//!
//! ```text
//!     seed ──▶ schedule ──▶ run ──▶ faults ──▶ lab: directors, servers, LAN, array
//!                            │                  ▲            ▲
//!                            │       clients: API, 1 ms     observation: leaders, terms, leases,
//!                            │       probes, TCP, blocks,   homes, epochs, digests, frames
//!                            │       spoofed frames          │
//!                            └──▶ evidence ◀─────────────────┘
//!                                    ├──▶ invariants ──▶ verdicts
//!                                    └──▶ report: one HTML file
//! ```
//!
//! What is decided is pure: the schedule, the checker of linearizability ([`linear`]), the invariants, the pictures. A run that is
//! interrupted, or breaks off, still judges what it saw and writes its report.

pub mod clients;
pub mod evidence;
pub mod faults;
pub mod gaps;
pub mod history;
pub mod invariants;
pub mod linear;
pub mod observation;
pub mod options;
mod quiet;
pub mod report;
pub mod run;
pub mod schedule;
mod stage;
pub(crate) mod words;
mod world;
