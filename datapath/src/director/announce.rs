//! Announcements: a new home tells the switches of the LAN where its adapters are now. A RARP request (RFC 903), as
//! hypervisors send it when they move a machine: every switch learns the address from its source, and no host minds it.
//!
//! The first one waits until the server is ready for the epoch: the server is the only source of the adapter's frames, so
//! from then on no frame of an older epoch sets out for the former home. It waits for [`PATIENCE`] at most, since a server may be
//! slow, and whoever is on the LAN must find the adapter all the same.
//!
//! Repeated on a schedule, because a switch may lose one, or may relearn the old port from a frame that was under way, or from
//! the last announcement of a former home that hands over. It ends early when a unicast frame for the adapter came in by the
//! uplink after the last announcement, and not before [`SETTLED`].

use twinrail_proto::domain::{AdapterId, Epoch, MacAddress};
use twinrail_proto::rail::{OffloadHeader, VlanTag};

use super::forwarding::{Adapter, Forwarding};
use crate::fast_map::FastMap;
use crate::head::Head;
use crate::rail::Nanos;

const MS: Nanos = 1_000_000;

/// When announcements go out, after the first.
const SCHEDULE: [Nanos; 9] = [0, 5 * MS, 20 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2000 * MS];

/// The first step that may be left out: a former home has handed over long before.
const SETTLED: usize = 5;

/// How long the first announcement waits for the server.
const PATIENCE: Nanos = 50 * MS;
/// How often it looks whether the server is ready.
const LOOK_AGAIN: Nanos = MS;

/// The shortest Ethernet frame, without its check sequence.
const SHORTEST_FRAME: usize = 60;

/// What is to be announced.
#[derive(Default)]
pub(super) struct Announcer {
    pending: Vec<Pending>,
    /// The epoch with which each adapter of the table was taken up last.
    taken_up: FastMap<u32, Epoch>,
}

struct Pending {
    adapter: AdapterId,
    epoch: Epoch,
    /// The first announcement; None: it is still to come.
    started: Option<Nanos>,
    /// When this was looked at first and last, while the server was not ready.
    since: Option<Nanos>,
    looked: Nanos,
    step: usize,
    /// Unicast frames from the uplink at the last announcement.
    unicast: u64,
}

/// An adapter to announce now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub adapter: u32,
    pub first: bool,
}

impl Announcer {
    /// Adapters that are carried here anew, or with another epoch, are to be announced; those that left are not any more.
    pub fn adopt(&mut self, table: &Forwarding) {
        let mut taken_up = FastMap::default();
        for adapter in table.adapters().iter().filter(|it| it.carry) {
            taken_up.insert(adapter.id.0, adapter.epoch);
            if self.taken_up.get(&adapter.id.0) != Some(&adapter.epoch) {
                self.pending.retain(|it| it.adapter != adapter.id);
                let (adapter, epoch) = (adapter.id, adapter.epoch);
                self.pending.push(Pending {
                    adapter,
                    epoch,
                    started: None,
                    since: None,
                    looked: 0,
                    step: 0,
                    unicast: 0,
                });
            }
        }
        self.taken_up = taken_up;
        self.pending.retain(|it| self.taken_up.get(&it.adapter.0) == Some(&it.epoch));
    }

    /// Adds those that are due to `into`, and moves them on.
    pub fn take_due(&mut self, table: &Forwarding, now: Nanos, into: &mut Vec<Due>) {
        self.pending.retain_mut(|pending| {
            let Some(index) = table.index_of(pending.adapter) else { return false };
            let adapter = table.adapter(index);
            if !pending.may_start(adapter.hold.is_open(pending.epoch), now) {
                return true;
            }
            let started = *pending.started.get_or_insert(now);
            if now < started + SCHEDULE[pending.step] {
                return true;
            }
            let unicast = adapter.tally.unicast_from_uplink.get();
            if pending.step >= SETTLED && unicast > pending.unicast {
                return false;
            }
            pending.unicast = unicast;
            into.push(Due { adapter: index, first: pending.step == 0 });
            pending.step += 1;
            pending.step < SCHEDULE.len()
        });
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.pending.iter().map(Pending::deadline).min()
    }
}

impl Pending {
    /// Whether the server is ready, or was waited for long enough.
    fn may_start(&mut self, ready: bool, now: Nanos) -> bool {
        self.looked = now;
        let since = *self.since.get_or_insert(now);
        self.started.is_some() || ready || now >= since + PATIENCE
    }

    fn deadline(&self) -> Nanos {
        match (self.started, self.since) {
            (Some(started), _) => started + SCHEDULE[self.step],
            (None, Some(_)) => self.looked + LOOK_AGAIN,
            (None, None) => 0,
        }
    }
}

/// The announcements of an adapter: one for each of its VLANs.
pub(super) fn announcements(adapter: &Adapter) -> impl Iterator<Item = Head> + '_ {
    adapter.membership.vlans().map(|vlan| frame(adapter.mac, (vlan != 0).then_some(VlanTag(vlan))))
}

/// A RARP request for its own address, to everybody, with a plain offload header before it.
fn frame(mac: MacAddress, tag: Option<VlanTag>) -> Head {
    let mac = mac.octets();
    let head = Head::EMPTY.with(&OffloadHeader::PLAIN.encode()).with(&[0xff; 6]).with(&mac);
    let head = tag.map_or(head, |tag| head.with(&tag.encode()));
    // Type RARP; Ethernet, IPv4, lengths 6 and 4, operation 3 "request reverse".
    let head = head.with(&[0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3]);
    let head = head.with(&mac).with(&[0; 4]).with(&mac).with(&[0; 4]);
    let frame_length = head.len() - OffloadHeader::PLAIN.encode().len();
    head.with(&[0; SHORTEST_FRAME][..SHORTEST_FRAME.saturating_sub(frame_length)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_waits_for_the_server_and_not_for_ever() {
        let (adapter, epoch) = (AdapterId(1), Epoch(2));
        let pending = || Pending { adapter, epoch, started: None, since: None, looked: 0, step: 0, unicast: 0 };
        let mut slow = pending();
        assert!(!slow.may_start(false, 10 * MS));
        assert_eq!(slow.deadline(), 11 * MS);
        assert!(!slow.may_start(false, 59 * MS));
        assert!(slow.may_start(false, 60 * MS));
        assert!(pending().may_start(true, 10 * MS));
    }

    #[test]
    fn the_frame_is_a_rarp_request_of_full_length() {
        let mac = MacAddress::new([2, 0, 0, 0, 0, 7]).unwrap();
        let plain = frame(mac, None);
        assert_eq!(plain.len(), 10 + 60);
        assert_eq!(plain.bytes()[10..24], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 0x80, 0x35]);
        assert_eq!(plain.bytes()[32..38], mac.octets());
        assert_eq!(plain.bytes()[42..48], mac.octets());
        let tagged = frame(mac, Some(VlanTag(10)));
        assert_eq!(tagged.len(), 10 + 60);
        assert_eq!(tagged.bytes()[22..28], [0x81, 0, 0, 10, 0x80, 0x35]);
    }
}
