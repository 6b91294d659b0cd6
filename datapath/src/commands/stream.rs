//! Parcels in a stream of octets, and out of it.
//!
//! ```text
//!   parcels ─▶ Outbox ─ vectored writes ─▶ ═══ octets ═══ ─ vectored reads ─▶ Inbox ─▶ parcels
//!              head | data | head | …                      data's own buffer, then room for heads
//! ```
//!
//! Data is never gathered: it is written from where it lies, and read into a buffer of its own, which the receiver then
//! hands on. Only what comes in one read with its head, [`ROOM`] octets at most, is copied once.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use bytes::{Buf, Bytes};
use twinrail_proto::rail::command::{CommandError, Head, MAX_HEAD, PREFIX_LENGTH, Prefix};

use super::Parcel;

/// Octets read in one go beside data that is awaited: many small messages, or the beginning of a large one.
pub const ROOM: usize = 4096;

/// Slices of one write: heads and data of so many halves of parcels. More gain nothing measurable.
const SLICES: usize = 64;

const _: () = assert!(ROOM >= MAX_HEAD, "a head must fit");

/// Puts parcels together again.
pub struct Inbox {
    room: Box<[u8; ROOM]>,
    start: usize,
    end: usize,
    awaited: Option<Awaited>,
}

/// A parcel whose data is not all there. Nothing of a later one is in the room then.
struct Awaited {
    head: Head,
    data: Vec<u8>,
    filled: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { room: Box::new([0; ROOM]), start: 0, end: 0, awaited: None }
    }
}

impl Inbox {
    /// Reads once. Returns how many octets came; 0: the stream has ended.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let data = self.awaited.as_mut().map_or(&mut [][..], |it| &mut it.data[it.filled..]);
        let wanted = data.len();
        let count = source.read_vectored(&mut [IoSliceMut::new(data), IoSliceMut::new(&mut self.room[self.end..])])?;
        let into_data = count.min(wanted);
        if let Some(awaited) = &mut self.awaited {
            awaited.filled += into_data;
        }
        self.end += count - into_data;
        Ok(count)
    }

    /// The next whole parcel; None: more has to be read first. After an error the stream has no meaning.
    pub fn take(&mut self) -> Result<Option<Parcel>, CommandError> {
        if self.awaited.is_none() {
            self.awaited = self.begin()?;
        }
        let whole = self.awaited.take_if(|it| it.filled == it.data.len());
        Ok(whole.map(|it| Parcel { head: it.head, data: it.data.into() }))
    }

    /// Takes a head, with what is there of its data.
    fn begin(&mut self) -> Result<Option<Awaited>, CommandError> {
        let there = &self.room[self.start..self.end];
        if there.len() < PREFIX_LENGTH {
            return Ok(None);
        }
        let prefix = Prefix::parse(there)?;
        let (_, rest) = there.split_at(PREFIX_LENGTH);
        let Some((body, rest)) = rest.split_at_checked(prefix.body_length) else { return Ok(None) };
        let head = Head::parse(&prefix, body)?;
        let mut data = vec![0; prefix.data_length];
        let filled = rest.len().min(data.len());
        data[..filled].copy_from_slice(&rest[..filled]);
        self.start += PREFIX_LENGTH + body.len() + filled;
        Ok(Some(Awaited { head, data, filled }))
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if ROOM - self.start < MAX_HEAD {
            self.room.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }
}

/// What waits to be written. Credits bound it: nobody sends what the other side has no room for.
#[derive(Default)]
pub struct Outbox {
    pieces: VecDeque<Bytes>,
}

impl Outbox {
    pub fn push(&mut self, parcel: Parcel) {
        self.pieces.push_back(parcel.head.encode().into());
        if !parcel.data.is_empty() {
            self.pieces.push_back(parcel.data);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes until all is written or the stream takes no more now.
    pub fn flush(&mut self, sink: &mut impl Write) -> io::Result<()> {
        while !self.is_empty() {
            let slices: Vec<IoSlice<'_>> = self.pieces.iter().take(SLICES).map(|it| IoSlice::new(it)).collect();
            match sink.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
        }
    }
}
