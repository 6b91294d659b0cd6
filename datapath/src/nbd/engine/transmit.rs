//! The requests of the transmission phase: "Request types", "Command flags", "Error values".

use bytes::{Buf, Bytes};

use super::{AfterSkip, End, Engine, InFlight, Phase, Tag};
use crate::nbd::wire::{REQUEST_MAGIC, command, flag};
use crate::nbd::{Errno, Export, Request, Zeroing, limits};

/// Magic, flags, type, cookie, offset, length.
const REQUEST_HEADER: usize = 28;

#[derive(Clone, Copy, Debug)]
struct Header {
    flags: u16,
    command: u16,
    cookie: u64,
    offset: u64,
    length: u32,
}

impl Engine {
    pub(super) fn request(&mut self, export: usize) -> bool {
        let Some(mut octets) = self.input.get(..REQUEST_HEADER) else { return false };
        let magic = octets.get_u32();
        if magic != REQUEST_MAGIC {
            self.over(End::RequestMagic(magic));
            return false;
        }
        let header = Header::parse(octets);
        let verdict = header.check(self.exports.get(export), self.structured);
        match (header.command, verdict) {
            (command::WRITE, Ok(())) => return self.write(export, header),
            (_, Ok(())) => {
                self.input.advance(REQUEST_HEADER);
                self.take(export, header, Bytes::new());
            }
            (command::WRITE, Err(errno)) => {
                self.input.advance(REQUEST_HEADER);
                self.refuse_data(header.length, AfterSkip::RefuseWrite { cookie: header.cookie, errno });
            }
            (_, Err(errno)) => {
                self.input.advance(REQUEST_HEADER);
                self.refuse(header.cookie, errno);
            }
        }
        true
    }

    /// Waits for the whole data.
    fn write(&mut self, export: usize, header: Header) -> bool {
        let whole = REQUEST_HEADER + header.length as usize;
        if self.input.len() < whole {
            return false;
        }
        let data = self.input.split_to(whole).freeze().split_off(REQUEST_HEADER);
        self.take(export, header, data);
        true
    }

    fn take(&mut self, export: usize, header: Header, data: Bytes) {
        if header.command == command::DISC {
            self.input.clear();
            self.phase = Phase::Draining { export };
            self.end_of_draining();
            return;
        }
        let read = (header.command == command::READ).then_some((header.offset, header.length));
        let request = header.request(data);
        let held = request.as_ref().map_or(0, Request::held);
        let in_flight = InFlight { cookie: header.cookie, read, held };
        let Some(request) = request else {
            // Nothing to do: "SHOULD NOT disconnect" is all that the document says of a length of 0.
            self.answer(&in_flight, Ok(Bytes::new()));
            return;
        };
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.held += held;
        self.in_flight.insert(tag, in_flight);
        self.requests.push_back((tag, request));
    }
}

impl Header {
    /// Of what follows the magic.
    fn parse(mut octets: &[u8]) -> Self {
        Self {
            flags: octets.get_u16(),
            command: octets.get_u16(),
            cookie: octets.get_u64(),
            offset: octets.get_u64(),
            length: octets.get_u32(),
        }
    }

    /// Whether this export takes such a request.
    fn check(&self, export: &Export, structured: bool) -> Result<(), Errno> {
        let allowed = self.allowed_flags(export, structured).ok_or(Errno::Invalid)?;
        match self.command {
            command::DISC => return Ok(()),
            _ if self.flags & !allowed != 0 => return Err(Errno::Invalid),
            command::FLUSH if (self.offset, self.length) != (0, 0) => return Err(Errno::Invalid),
            command::FLUSH => return Ok(()),
            _ if export.read_only && self.changes() => return Err(Errno::Permission),
            _ => {}
        }
        self.check_range(export)?;
        match self.command {
            command::READ if self.length > limits::PAYLOAD && structured => Err(Errno::Overflow),
            command::READ | command::WRITE if self.length > limits::PAYLOAD => Err(Errno::Invalid),
            _ => Ok(()),
        }
    }

    /// None: the command was not offered. FUA is allowed with every command, as the document wants it.
    fn allowed_flags(&self, export: &Export, structured: bool) -> Option<u16> {
        let when = |condition: bool, flags: u16| if condition { flags } else { 0 };
        let more = match self.command {
            command::READ => when(structured, flag::DF),
            command::WRITE | command::FLUSH | command::DISC => 0,
            command::TRIM if export.trim => 0,
            command::CACHE if export.cache => 0,
            command::WRITE_ZEROES if export.write_zeroes => flag::NO_HOLE | when(export.fast_zero, flag::FAST_ZERO),
            _ => return None,
        };
        Some(flag::FUA | more)
    }

    fn changes(&self) -> bool {
        matches!(self.command, command::WRITE | command::TRIM | command::WRITE_ZEROES)
    }

    /// "Error values": beyond the end a write finds no space, and everything else is invalid.
    fn check_range(&self, export: &Export) -> Result<(), Errno> {
        let block = u64::from(export.block);
        let end = self.offset.checked_add(self.length.into()).filter(|&end| end <= export.size);
        match (end, self.command) {
            (None, command::WRITE | command::WRITE_ZEROES) => Err(Errno::NoSpace),
            (None, _) => Err(Errno::Invalid),
            (Some(end), _) if self.offset.is_multiple_of(block) && end.is_multiple_of(block) => Ok(()),
            (Some(_), _) => Err(Errno::Invalid),
        }
    }

    /// For the device; None: there is nothing to do. Only of what was checked.
    fn request(&self, data: Bytes) -> Option<Request> {
        let Self { flags, command, cookie: _, offset, length } = *self;
        let fua = flags & flag::FUA != 0;
        if length == 0 && command != command::FLUSH {
            return None;
        }
        Some(match command {
            command::READ => Request::Read { offset, length },
            command::WRITE => Request::Write { offset, data, fua },
            command::FLUSH => Request::Flush,
            command::TRIM => Request::Trim { offset, length, fua },
            command::CACHE => Request::Cache { offset, length },
            command::WRITE_ZEROES => {
                let may_unmap = flags & flag::NO_HOLE == 0;
                let how = Zeroing { fua, may_unmap, only_if_fast: flags & flag::FAST_ZERO != 0 };
                Request::WriteZeroes { offset, length, how }
            }
            _ => unreachable!("{command} was checked"),
        })
    }
}
