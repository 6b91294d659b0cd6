//! Replies of the transmission phase: "Simple reply message", "Structured reply chunk message".

use bytes::{BufMut, Bytes};

use super::{Engine, InFlight};
use crate::nbd::Errno;
use crate::nbd::wire::{SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, chunk};

impl Engine {
    /// A device that gives another amount of data than was asked for has not read.
    pub(super) fn answer(&mut self, request: &InFlight, result: Result<Bytes, Errno>) {
        let length = request.read.map_or(0, |(_, length)| length as usize);
        let data = match result {
            Ok(data) if data.len() == length => data,
            Ok(_) => return self.refuse(request.cookie, Errno::Io),
            Err(errno) => return self.refuse(request.cookie, errno),
        };
        match request.read {
            _ if !self.structured => self.simple(request.cookie, 0),
            Some((offset, length)) if length > 0 => {
                self.chunk(request.cookie, chunk::OFFSET_DATA, 8 + length);
                self.output.small().put_u64(offset);
            }
            _ => self.chunk(request.cookie, chunk::NONE, 0),
        }
        self.output.data(data);
    }

    /// With a line for people, where the client understands it.
    pub(super) fn refuse(&mut self, cookie: u64, errno: Errno) {
        if !self.structured {
            return self.simple(cookie, errno.to_u32());
        }
        let message = errno.to_string();
        self.chunk(cookie, chunk::ERROR, 6 + message.len() as u32);
        let output = self.output.small();
        output.put_u32(errno.to_u32());
        output.put_u16(message.len() as u16);
        output.put_slice(message.as_bytes());
    }

    fn simple(&mut self, cookie: u64, error: u32) {
        let output = self.output.small();
        output.put_u32(SIMPLE_REPLY_MAGIC);
        output.put_u32(error);
        output.put_u64(cookie);
    }

    /// The head of the only chunk of a reply.
    fn chunk(&mut self, cookie: u64, kind: u16, length: u32) {
        let output = self.output.small();
        output.put_u32(STRUCTURED_REPLY_MAGIC);
        output.put_u16(chunk::DONE);
        output.put_u16(kind);
        output.put_u64(cookie);
        output.put_u32(length);
    }
}
