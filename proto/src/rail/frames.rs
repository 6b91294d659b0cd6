use std::ops::Range;

use super::{ETHERNET_HEADER_LENGTH, OFFLOAD_LENGTH, ParseError, TAG_LENGTH, be32, be64, require};
use crate::domain::{AdapterId, Epoch};

pub const RECORD_HEADER_LENGTH: usize = 16;

/// Largest offload header and frame together: an IP packet of 64 KiB, as segmentation offload makes them, with a tag.
pub const MAX_BODY: usize = OFFLOAD_LENGTH + ETHERNET_HEADER_LENGTH + TAG_LENGTH + u16::MAX as usize;

/// A frame shorter than its Ethernet header is none.
const MIN_BODY: usize = OFFLOAD_LENGTH + ETHERNET_HEADER_LENGTH;

/// The server has the adapter's device and takes its frames with this epoch. Such a record has no body.
const READY: u8 = 1;

/// What stands before each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    pub adapter: AdapterId,
    pub epoch: Epoch,
    /// No frame: the server says that it is ready for the frames of this epoch. Other flags are written as zero and
    /// ignored when read.
    pub ready: bool,
}

/// One frame of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub header: RecordHeader,
    /// Where its offload header and frame stand, counted from the start of the records.
    pub body: Range<usize>,
}

impl RecordHeader {
    /// `length` is that of the offload header and the frame together; 0 for a record that says "ready".
    pub fn encode(&self, length: usize) -> [u8; RECORD_HEADER_LENGTH] {
        let allowed = if self.ready { length == 0 } else { (MIN_BODY..=MAX_BODY).contains(&length) };
        assert!(allowed, "a record of {length} octets is never sent");
        let mut bytes = [0; RECORD_HEADER_LENGTH];
        bytes[0..8].copy_from_slice(&self.epoch.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.adapter.0.to_be_bytes());
        let (flags, length) = (u32::from(if self.ready { READY } else { 0 }), length as u32);
        bytes[12..16].copy_from_slice(&(flags << 24 | length).to_be_bytes());
        bytes
    }
}

/// The record at offset `at` of the records of a message; None at their end. The next one starts at `body.end`. After an
/// error the rest of the message has no meaning: stop there.
pub fn next_record(records: &[u8], at: usize) -> Option<Result<Record, ParseError>> {
    match records.get(at..) {
        None | Some([]) => None,
        Some(rest) => Some(parse_record(rest, at)),
    }
}

fn parse_record(rest: &[u8], at: usize) -> Result<Record, ParseError> {
    require("a record", rest, RECORD_HEADER_LENGTH)?;
    let word = be32(rest, 12);
    let length = (word & 0x00ff_ffff) as usize;
    let has = rest.len() - RECORD_HEADER_LENGTH;
    if length > has {
        return Err(ParseError::LyingLength { what: "a record", says: length, has });
    }
    let ready = (word >> 24) as u8 & READY != 0;
    if ready && length != 0 {
        return Err(ParseError::LyingLength { what: "a ready record", says: length, has: 0 });
    }
    if !ready && length < MIN_BODY {
        return Err(ParseError::CutShort { what: "a frame", needs: MIN_BODY, has: length });
    }
    if length > MAX_BODY {
        return Err(ParseError::TooLarge(length));
    }
    let start = at + RECORD_HEADER_LENGTH;
    let header = RecordHeader { adapter: AdapterId(be32(rest, 8)), epoch: Epoch(be64(rest, 0)), ready };
    Ok(Record { header, body: start..start + length })
}
