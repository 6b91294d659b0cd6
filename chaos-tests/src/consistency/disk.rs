//! What the load speaks to.

use std::time::Duration;

use anyhow::Result;

/// Tells a command from the others in flight.
pub type Cookie = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Read { offset: u64, length: u32 },
    Write { offset: u64, data: Vec<u8> },
    Flush,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub cookie: Cookie,
    /// What was read, empty for others; or the error's number, as NBD has it.
    pub result: Result<Vec<u8>, u32>,
}

/// A disk that takes many commands at a time. Its twins: an NBD export ([`super::nbd::NbdDisk`]), and in tests one in memory.
pub trait Disk {
    /// Begins a command. An error: the disk is gone.
    fn submit(&mut self, cookie: Cookie, request: Request) -> Result<()>;

    /// The replies that have come, in any order. Waits for at least one, but no longer than so.
    fn replies(&mut self, patience: Duration) -> Result<Vec<Reply>>;
}
