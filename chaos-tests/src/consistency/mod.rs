//! Whether a disk keeps what it has acknowledged, while its path is changed under it again and again.
//!
//! ```text
//!              seed
//!        ┌──────┴───────┐
//!      Load           faults ──▶ lab: takeovers of the disk's home
//!   48 in flight         │
//!        │               └── the epoch, which goes into what is written
//!      Disk: an NBD export, or one in memory that misbehaves
//!        │
//!      Model: what each block may hold        Verdict: stale, lost, torn, errors, gaps
//! ```
//!
//! [`model`] is pure and decides; [`load`] draws what to do and keeps so many commands in flight; [`disk`] is what they go to:
//! a real export, or in tests one in memory with a fault that the model must find.

pub mod block;
pub mod check;
pub mod disk;
pub mod faults;
pub mod gaps;
pub mod load;
pub mod model;
pub mod nbd;
pub mod running;
pub mod verdict;

#[cfg(test)]
mod mutations;
