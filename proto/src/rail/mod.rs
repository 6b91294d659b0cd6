//! The binary messages between servers and directors. One message is one datagram (or one message of a reliable rail).
//!
//! ```text
//!   message   header, then by kind:
//!   header    | magic 2 | version 1 | kind 1 | cluster tag 4 | incarnation of the sender 8 |
//!   hello     | sequence 8 | flags 2 | reserved 2 | interval µs 4 | hears 8 | sent 8 | echo 8 | held µs 4 | receives 4 |
//!   frames    record, record, … to the end of the message
//!   record    | epoch 8 | adapter 4 | flags 1 | length 3 | virtio_net_hdr 10 | Ethernet frame |   ("ready": no body)
//!   connect   | request 1 | MTU 1 | LID 2 | window 2 | reserved 2 | number 8 | GID 16 | twice: queue pair 4, packet 4 |
//!   fragment  | message 4 | index 2 | count 2 | piece 2 | reserved 2 | a piece of one message |
//! ```
//!
//! Numbers are big-endian, except within `virtio_net_hdr`, which stays as the kernel gives it (little-endian).
//!
//! Guarantees: a parser never panics and never reads past the message; whatever is cut short or lies about a length is
//! refused with a [`ParseError`] that names the cause. Nothing here says *who* sent a message: that is decided by the
//! rail and the source address, never by what a message claims.
//!
//! Storage commands have streams of their own: [`command`].

pub mod command;
mod connection;
mod error;
mod ethernet;
mod fragment;
mod frames;
mod header;
mod hello;
mod offload;
#[cfg(test)]
mod tests;

pub use connection::{CONNECTION_LENGTH, Connection, MAX_WINDOW, Offer, QueuePairOffer};
pub use error::ParseError;
pub use ethernet::{ETHERNET_HEADER_LENGTH, EthernetHeader, MacOctets, TAG_LENGTH, VlanTag, is_group};
pub use fragment::{FRAGMENT_HEADER_LENGTH, Fragment, MAX_FRAGMENTS};
pub use frames::{MAX_BODY, RECORD_HEADER_LENGTH, Record, RecordHeader, next_record};
pub use header::{ClusterTag, HEADER_LENGTH, Header, Incarnation, Kind, MAGIC, VERSION};
pub use hello::{HELLO_LENGTH, Hello};
pub use offload::{OFFLOAD_LENGTH, OffloadHeader, Segmentation};

/// The largest message: a header and one record of a frame as large as segmentation offload makes it. Messages of many
/// small records stay below it too. A larger one is never made, and refused when received.
pub const MAX_MESSAGE: usize = HEADER_LENGTH + RECORD_HEADER_LENGTH + MAX_BODY;

/// The UDP port of the udp rail.
pub const UDP_RAIL_PORT: u16 = 7403;

/// What a message holds after its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Hello(Hello),
    /// Walk it with [`next_record`], from offset 0.
    Frames(&'a [u8]),
    Fragment(Fragment<'a>),
    Connection(Connection),
}

/// Parses a whole message. Records are parsed one by one as they are walked.
pub fn parse(message: &[u8]) -> Result<(Header, Message<'_>), ParseError> {
    let (header, body) = Header::parse(message)?;
    let parsed = match header.kind {
        Kind::Hello => Message::Hello(Hello::parse(body)?),
        Kind::Frames => Message::Frames(body),
        Kind::Fragment => Message::Fragment(Fragment::parse(body)?),
        Kind::Connection => Message::Connection(Connection::parse(body)?),
    };
    Ok((header, parsed))
}

/// Reads a big-endian number at `at`. The caller has checked that it is there.
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

/// Fails when fewer than `needs` octets are left.
fn require(what: &'static str, bytes: &[u8], needs: usize) -> Result<(), ParseError> {
    match bytes.len() {
        has if has < needs => Err(ParseError::CutShort { what, needs, has }),
        _ => Ok(()),
    }
}
