use std::net::IpAddr;

use twinrail_datapath_sys::Buffer;
use twinrail_proto::rail::{Fragment, MAX_MESSAGE};

use crate::arena::buffers;
use crate::rail::Nanos;

/// Messages that may be incomplete at the same time, of all senders of a rail. Pieces of one message follow each other
/// closely, so that few are open at a time; when all are, the oldest is given up and counted.
const OPEN_MESSAGES: usize = 32;

/// A message whose pieces do not come within this time has lost some: a retransmission by its sender's TCP is due
/// anyway. It is given up and counted.
const PATIENCE: Nanos = 200_000_000;

/// Puts messages together from their fragments.
pub(super) struct Reassembly {
    open: Vec<OpenMessage>,
    given_up: u64,
}

struct OpenMessage {
    /// None: free.
    key: Option<Key>,
    since: Nanos,
    /// Bit n: piece n is here.
    pieces: u64,
    length: usize,
    buffer: Buffer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    from: IpAddr,
    message: u32,
    count: u16,
    piece: u16,
}

impl Reassembly {
    pub fn new() -> Self {
        let open = |buffer| OpenMessage { key: None, since: 0, pieces: 0, length: 0, buffer };
        Self { open: buffers(OPEN_MESSAGES).into_iter().map(open).collect(), given_up: 0 }
    }

    /// Takes a piece in. When it was the last one missing: which buffer the message is in, and its length. It stays there
    /// until the next piece comes.
    pub fn add(&mut self, from: IpAddr, fragment: &Fragment<'_>, now: Nanos) -> Option<(usize, usize)> {
        let key = Key { from, message: fragment.message, count: fragment.count, piece: fragment.piece };
        let at = self.find_or_open(key, now);
        let open = &mut self.open[at];
        let start = fragment.offset();
        open.buffer[start..start + fragment.data.len()].copy_from_slice(fragment.data);
        open.pieces |= 1 << fragment.index;
        if fragment.is_last() {
            open.length = start + fragment.data.len();
        }
        if open.pieces == u64::MAX >> (64 - fragment.count) {
            assert!(open.length <= MAX_MESSAGE, "the parser lets no larger message through");
            open.key = None;
            return Some((at, open.length));
        }
        None
    }

    /// The buffer, to be exchanged for another of its size.
    pub fn buffer(&mut self, at: usize) -> &mut Buffer {
        &mut self.open[at].buffer
    }

    /// How many messages were given up since this was last asked.
    pub fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    fn find_or_open(&mut self, key: Key, now: Nanos) -> usize {
        if let Some(at) = self.open.iter().position(|it| it.key == Some(key) && now < it.since + PATIENCE) {
            return at;
        }
        // A free one, else the oldest.
        let oldest = |(_, it): &(usize, &OpenMessage)| (it.key.is_some(), it.since);
        let (at, _) = self.open.iter().enumerate().min_by_key(oldest).expect("there are always some");
        let open = &mut self.open[at];
        self.given_up += u64::from(open.key.is_some());
        (open.key, open.since, open.pieces) = (Some(key), now, 0);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn add(reassembly: &mut Reassembly, message: u32, index: u16, data: &[u8], now: Nanos) -> Option<Vec<u8>> {
        let fragment = Fragment { message, index, count: 3, piece: 4, data };
        reassembly.add(FROM, &fragment, now).map(|(at, length)| reassembly.buffer(at)[..length].to_vec())
    }

    #[test]
    fn pieces_in_any_order_and_twice_make_the_message_once() {
        let mut reassembly = Reassembly::new();
        assert_eq!(add(&mut reassembly, 1, 2, b"!", 0), None);
        assert_eq!(add(&mut reassembly, 2, 0, b"othe", 0), None);
        assert_eq!(add(&mut reassembly, 1, 0, b"abcd", 0), None);
        assert_eq!(add(&mut reassembly, 1, 0, b"abcd", 0), None);
        assert_eq!(add(&mut reassembly, 1, 1, b"efgh", 0), Some(b"abcdefgh!".to_vec()));
        assert_eq!(reassembly.take_given_up(), 0);
    }

    #[test]
    fn what_stays_incomplete_is_given_up() {
        let mut reassembly = Reassembly::new();
        for message in 0..=OPEN_MESSAGES as u32 {
            assert_eq!(add(&mut reassembly, message, 0, b"abcd", u64::from(message)), None);
        }
        assert_eq!(reassembly.take_given_up(), 1, "the oldest made room");
        assert_eq!(add(&mut reassembly, 5, 1, b"efgh", PATIENCE + 6), None);
        assert_eq!(add(&mut reassembly, 5, 2, b"!", PATIENCE + 6), None, "the first piece had been too long ago");
    }
}
