//! Announcements: a new home tells the switches of the LAN where its adapters are now. A RARP request (RFC 903), as
//! hypervisors send it when they move a machine: every switch learns the address from its source, and no host minds it.
//!
//! When they go out: [`Pace`].

use twinrail_proto::domain::{AdapterId, Epoch, MacAddress};
use twinrail_proto::rail::{OffloadHeader, VlanTag};

use super::forwarding::{Adapter, Forwarding};
use super::pace::Pace;
use crate::fast_map::FastMap;
use crate::head::Head;
use crate::rail::Nanos;

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
    pace: Pace,
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
                self.pending.push(Pending { adapter: adapter.id, epoch: adapter.epoch, pace: Pace::default() });
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
            let heard = adapter.hold.heard_for(pending.epoch);
            if pending.pace.is_due(heard, now) {
                into.push(Due { adapter: index, first: pending.pace.sent() == 1 });
            }
            !pending.pace.is_over()
        });
    }

    pub fn next_deadline(&self) -> Option<Nanos> {
        self.pending.iter().map(|it| it.pace.deadline()).min()
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
