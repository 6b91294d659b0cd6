//! A SAN of files: a device server over disks that are files of this machine, with masking by WWPN. The embedded default.
//!
//! ```text
//!   session of vHBA 1 ──mask──▶ queue ─▶ thread of disk "a": LogicalUnit ─▶ file a     (SPC-4, SBC-3)
//!   session of vHBA 2 ──mask──▶ queue ─▶ thread of disk "b": LogicalUnit ─▶ file b
//!           ▲                                  │
//!           └──── reports, eventfd ────────────┘
//! ```
//!
//! * **Not shared between machines**, nor between processes of one: each file is locked (`flock`) by the process that has it
//!   open, and a second one is refused. Who needs takeovers between directors needs a SAN that outlives them.
//! * **Each disk has one thread**, which executes its commands one after the other in their order: every task attribute is
//!   honoured, and COMPARE AND WRITE and reservations are atomic without a lock.
//! * **Durable as claimed.** The write cache is the kernel's, and the caching mode page says that it is on. FUA, WRITE AND
//!   VERIFY and SYNCHRONIZE CACHE are answered after `fdatasync`; those that wait in the queue together share one. After a
//!   failed `fdatasync` nobody knows what is on the disk: the logical unit then fails every command until it is reopened.
//! * **A login fences.** The same identity again ends the former login first: each disk's thread drops what of it still
//!   waits, finishes what it executes, and only then is the new login answered.
//! * **Persistent reservations** belong to the identity, not to the login, and survive power loss when the initiator asks
//!   for it (APTPL).

mod absent;
mod config;
mod disk;
mod error;
mod nexus;
mod queue;
mod reservation;
mod san;
mod session;
mod unit;
mod worker;

pub use config::{DiskConfig, FileSanConfig};
pub use error::FileSanError;
pub use san::FileSan;
pub use unit::{LogicalUnit, Outcome};
