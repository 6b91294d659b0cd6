use std::io;
use std::net::TcpStream;

use twinrail_datapath_sys::{Epoll, tune_tcp};
use twinrail_proto::rail::command::CommandError;

use crate::commands::Parcel;
use crate::commands::stream::{Inbox, Outbox};

/// Reads of one connection in one turn: the others have their turn too.
const READS: usize = 16;

/// One end of a connection.
pub struct Wire {
    stream: TcpStream,
    token: u64,
    inbox: Inbox,
    outbox: Outbox,
    opening: bool,
    watches_writable: bool,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the connection is lost: {0}")]
    Lost(#[from] io::Error),
    #[error("the peer has closed the connection")]
    Closed,
    #[error("the peer broke the protocol: {0}")]
    Message(#[from] CommandError),
}

/// What a look at a connection has shown.
#[derive(Debug, Default)]
pub struct Seen {
    pub opened: bool,
    pub parcels: Vec<Parcel>,
}

impl Wire {
    /// `opening`: the connection is being made.
    pub fn new(stream: TcpStream, epoll: &Epoll, token: u64, opening: bool) -> io::Result<Self> {
        tune_tcp(&stream)?;
        epoll.add(&stream, token)?;
        if opening {
            epoll.watch_writable(&stream, token, true)?;
        }
        let (inbox, outbox) = (Inbox::default(), Outbox::default());
        Ok(Self { stream, token, inbox, outbox, opening, watches_writable: opening })
    }

    pub fn send(&mut self, parcel: Parcel) {
        self.outbox.push(parcel);
    }

    /// Writes what can be written, and has the rest waited for.
    pub fn flush(&mut self, epoll: &Epoll) -> Result<(), WireError> {
        if !self.opening {
            self.outbox.flush(&mut self.stream)?;
        }
        let wanted = self.opening || !self.outbox.is_empty();
        if wanted != self.watches_writable {
            epoll.watch_writable(&self.stream, self.token, wanted)?;
            self.watches_writable = wanted;
        }
        Ok(())
    }

    /// Something happened to the connection: says what. What came before an error is in `seen`.
    pub fn look(&mut self, seen: &mut Seen) -> Result<(), WireError> {
        if self.opening {
            self.stream.take_error()?.map_or(Ok(()), Err)?;
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            (self.opening, seen.opened) = (false, true);
        }
        for _ in 0..READS {
            match self.inbox.fill(&mut self.stream) {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            while let Some(parcel) = self.inbox.take()? {
                seen.parcels.push(parcel);
            }
        }
        Ok(())
    }
}
