use super::{MAX_MESSAGE, ParseError, be16, be32, require};

pub const FRAGMENT_HEADER_LENGTH: usize = 12;

/// Most pieces of one message. The largest message in the datagrams of the smallest rail MTU (1280) makes 57; the
/// kernel cuts a send into 64 datagrams at most. A message that would need more is not sent, and counted.
pub const MAX_FRAGMENTS: usize = 64;

/// One piece of a message that is too large for a datagram of its rail. All pieces but the last have `piece` octets, so
/// a piece says by itself where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Which message of this sender; grows, and wraps.
    pub message: u32,
    pub index: u16,
    pub count: u16,
    pub piece: u16,
    pub data: &'a [u8],
}

impl<'a> Fragment<'a> {
    pub fn encode_header(&self) -> [u8; FRAGMENT_HEADER_LENGTH] {
        let mut bytes = [0; FRAGMENT_HEADER_LENGTH];
        bytes[0..4].copy_from_slice(&self.message.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.index.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.count.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.piece.to_be_bytes());
        bytes
    }

    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        require("a fragment", body, FRAGMENT_HEADER_LENGTH)?;
        let data = &body[FRAGMENT_HEADER_LENGTH..];
        let fragment =
            Self { message: be32(body, 0), index: be16(body, 4), count: be16(body, 6), piece: be16(body, 8), data };
        fragment.check()?;
        Ok(fragment)
    }

    /// Where its data stands in the whole message.
    pub fn offset(&self) -> usize {
        usize::from(self.index) * usize::from(self.piece)
    }

    pub fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }

    fn check(&self) -> Result<(), ParseError> {
        let Self { index, count, piece, data, .. } = *self;
        let numbers = piece > 0 && index < count && (2..=MAX_FRAGMENTS).contains(&usize::from(count));
        if !numbers || self.offset() + data.len() > MAX_MESSAGE {
            return Err(ParseError::Fragment { index, count, piece });
        }
        let piece = usize::from(piece);
        let whole = if self.is_last() { (1..=piece).contains(&data.len()) } else { data.len() == piece };
        match whole {
            true => Ok(()),
            false => Err(ParseError::LyingLength { what: "a fragment", says: piece, has: data.len() }),
        }
    }
}
