use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

use super::{BlockDevice, Errno, Request, Ticket};

/// A disk in memory, gone with the process. Every answer is there before `submit` returns.
#[derive(Debug)]
pub struct MemoryDevice {
    octets: RwLock<Vec<u8>>,
}

impl MemoryDevice {
    /// Of so many octets, all zero.
    pub fn new(octets: usize) -> Self {
        Self { octets: RwLock::new(vec![0; octets]) }
    }

    /// Executes one request.
    pub fn execute(&self, request: &Request) -> Result<Bytes, Errno> {
        match request {
            Request::Read { offset, length } => self.read(*offset, *length),
            Request::Write { offset, data, fua: _ } => self.change(*offset, data.len(), |it| it.copy_from_slice(data)),
            Request::WriteZeroes { offset, length, how: _ } => self.change(*offset, *length as usize, |it| it.fill(0)),
            Request::Flush | Request::Trim { .. } | Request::Cache { .. } => Ok(Bytes::new()),
        }
    }

    fn read(&self, offset: u64, length: u32) -> Result<Bytes, Errno> {
        let octets = self.octets.read().unwrap_or_else(PoisonError::into_inner);
        let found = range(offset, length as usize).and_then(|it| octets.get(it));
        found.map(Bytes::copy_from_slice).ok_or(Errno::Invalid)
    }

    fn change(&self, offset: u64, length: usize, how: impl FnOnce(&mut [u8])) -> Result<Bytes, Errno> {
        let mut octets = self.octets.write().unwrap_or_else(PoisonError::into_inner);
        let found = range(offset, length).and_then(|it| octets.get_mut(it)).ok_or(Errno::NoSpace)?;
        how(found);
        Ok(Bytes::new())
    }
}

impl BlockDevice for MemoryDevice {
    fn submit(&self, request: Request, ticket: Ticket) {
        ticket.complete(self.execute(&request));
    }
}

fn range(offset: u64, length: usize) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(length)?)
}
