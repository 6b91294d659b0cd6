//! What one thread sends to the rails in one turn. Small frames for the same path are packed into one message; large ones
//! go by themselves, from where they were received.
//!
//! ```text
//!   frame ≤ PACK_LIMIT ──copy──▶ open message of the path ──full, or the turn ends──▶ posted
//!   frame > PACK_LIMIT ──▶ the open message is posted first, so that frames stay in order ──▶ posted in place
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use twinrail_proto::domain::Rail;
use twinrail_proto::rail::{HEADER_LENGTH, Header, Kind, MAX_MESSAGE};

use crate::Cause;
use crate::arena::{Arena, Piece, Slot};
use crate::counters::MachineTally;
use crate::head::Head;
use crate::peer::PeerTable;
use crate::rail::{Nanos, Outgoing, RailSender, SendReport};

/// Records up to this size are copied into a common message: copying costs less than a datagram of their own.
const PACK_LIMIT: usize = 4096;

/// Common messages grow to this size. Larger ones save nothing more, and whoever receives one would work on it for long
/// before it looks at anything else.
const PACKED_MESSAGE: usize = 16 << 10;

pub(crate) struct Outbox {
    header: [u8; HEADER_LENGTH],
    senders: [Box<dyn RailSender>; 2],
    /// By peer and rail.
    open: Vec<Option<OpenMessage>>,
    /// Which of them were opened in this turn.
    opened: Vec<usize>,
    tally: Arc<MachineTally>,
}

#[derive(Clone, Copy)]
struct OpenMessage {
    slot: Slot,
    length: usize,
    to: IpAddr,
    limit: u32,
}

impl Outbox {
    /// `header`: as every message of this machine starts.
    pub fn new(header: Header, senders: [Box<dyn RailSender>; 2], tally: Arc<MachineTally>) -> Self {
        let header = Header { kind: Kind::Frames, ..header }.encode();
        Self { header, senders, open: Vec::new(), opened: Vec::new(), tally }
    }

    /// Makes room for the peers of a new table. Everything was flushed before.
    pub fn adopt(&mut self, peers: &PeerTable) {
        assert!(self.opened.is_empty(), "a table may change only between turns");
        self.open.clear();
        self.open.resize(2 * peers.entries().len(), None);
    }

    /// Queues a record: `record` is its header and the start of its body, `rest` the rest of its body.
    pub fn push(
        &mut self,
        arena: &mut Arena,
        peers: &PeerTable,
        (peer, rail): (u32, Rail),
        record: Head,
        rest: Option<Piece>,
    ) -> Result<(), Cause> {
        let path = 2 * peer as usize + rail.index();
        let entry = peers.entry(peer);
        let (to, limit) = (entry.addresses.on(rail), entry.paths[rail.index()].limit());
        let length = record.len() + rest.map_or(0, Piece::len);
        if HEADER_LENGTH + length > MAX_MESSAGE {
            return Err(Cause::TooLarge);
        }
        if length > PACK_LIMIT {
            self.close(arena, path, rail);
            let head = Head::EMPTY.with(&self.header).with(record.bytes());
            self.senders[rail.index()].post(arena, Outgoing { to, limit, head, body: rest });
            return Ok(());
        }
        if self.open[path].is_some_and(|it| it.length + length > PACKED_MESSAGE.min(limit as usize)) {
            self.close(arena, path, rail);
        }
        let mut message = self.open_message(arena, path, to, limit)?;
        arena.bytes_mut(message.slot)[message.length..message.length + record.len()].copy_from_slice(record.bytes());
        if let Some(rest) = rest {
            arena.copy(rest, message.slot, message.length + record.len());
        }
        message.length += length;
        self.open[path] = Some(message);
        Ok(())
    }

    /// Posts a message that is no frames: a hello.
    pub fn post(&mut self, arena: &mut Arena, rail: Rail, message: Outgoing) {
        self.senders[rail.index()].post(arena, message);
    }

    /// Sends everything, and counts what did not go.
    pub fn flush(&mut self, arena: &mut Arena, now: Nanos) {
        for path in std::mem::take(&mut self.opened) {
            self.close(arena, path, Rail::ALL[path & 1]);
        }
        for sender in &mut self.senders {
            let SendReport { sent, fragmented, full, refused, too_large, unconnected } = sender.flush(arena, now);
            self.tally.messages_sent.add(sent);
            self.tally.messages_fragmented.add(fragmented);
            self.tally.drops.add(Cause::RailFull, full);
            self.tally.drops.add(Cause::RailRefused, refused);
            self.tally.drops.add(Cause::TooLarge, too_large);
            self.tally.drops.add(Cause::PathDown, unconnected);
        }
    }

    pub fn limit(&self, rail: Rail) -> u32 {
        self.senders[rail.index()].limit()
    }

    pub fn refresh(&mut self, rail: Rail) {
        self.senders[rail.index()].refresh();
    }

    fn open_message(&mut self, arena: &mut Arena, path: usize, to: IpAddr, limit: u32) -> Result<OpenMessage, Cause> {
        if let Some(message) = self.open[path] {
            return Ok(message);
        }
        let slot = arena.take().ok_or(Cause::NoBuffer)?;
        arena.bytes_mut(slot)[..HEADER_LENGTH].copy_from_slice(&self.header);
        self.opened.push(path);
        Ok(OpenMessage { slot, length: HEADER_LENGTH, to, limit })
    }

    fn close(&mut self, arena: &mut Arena, path: usize, rail: Rail) {
        let Some(OpenMessage { slot, length, to, limit }) = self.open[path].take() else { return };
        let body = Some(Piece::new(slot, 0..length));
        self.senders[rail.index()].post(arena, Outgoing { to, limit, head: Head::EMPTY, body });
        arena.release(slot);
    }
}
