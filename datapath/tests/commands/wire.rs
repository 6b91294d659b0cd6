//! A connection whose octets come in any pieces, late, and not all of them.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use twinrail_datapath::commands::stream::{Inbox, Outbox};
use twinrail_datapath::commands::{LinkId, Parcel};

/// One direction: octets under way, of which `allowed` may be read.
#[derive(Default)]
pub struct Pipe {
    octets: VecDeque<u8>,
    pub allowed: usize,
}

/// Octets that a pipe holds.
const ROOM: usize = 3000;

impl Pipe {
    pub fn waiting(&self) -> usize {
        self.octets.len()
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match ROOM.saturating_sub(self.octets.len()).min(octets.len()) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => {
                self.octets.extend(&octets[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.allowed.min(self.octets.len()).min(buffer.len()) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => {
                self.allowed -= count;
                self.octets.read_exact(&mut buffer[..count])?;
                Ok(count)
            }
        }
    }
}

/// One machine's end.
#[derive(Default)]
pub struct End {
    pub inbox: Inbox,
    pub outbox: Outbox,
    /// It does not know that the connection is lost, or has closed it itself.
    pub open: bool,
}

impl End {
    pub fn send(&mut self, parcel: Parcel, into: &mut Pipe) {
        self.outbox.push(parcel);
        self.outbox.flush(into).expect("a pipe takes what it has room for");
    }

    /// Everything that is there to be read.
    pub fn receive(&mut self, from: &mut Pipe) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        loop {
            while let Some(parcel) = self.inbox.take().expect("both sides write what they can read") {
                parcels.push(parcel);
            }
            match self.inbox.fill(from) {
                Ok(count) => assert!(count > 0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return parcels,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A connection of the agent to one director.
pub struct Connection {
    pub link: LinkId,
    pub director: u64,
    pub agent: End,
    pub home: End,
    pub up: Pipe,
    pub down: Pipe,
    /// Nothing is delivered any more, though neither end may know.
    pub cut: bool,
}

impl Connection {
    pub fn new(link: LinkId, director: u64) -> Self {
        let end = || End { open: true, ..End::default() };
        let (up, down) = (Pipe::default(), Pipe::default());
        Self { link, director, agent: end(), home: end(), up, down, cut: false }
    }
}
