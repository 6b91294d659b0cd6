//! A frame as the datapath sees it: its parts, wherever its octets are. The VLAN tag is kept beside the frame, so that
//! each target gets the frame with the tag that it wants, and nothing is moved in memory.

use twinrail_proto::rail::{EthernetHeader, OFFLOAD_LENGTH, OffloadHeader, ParseError, VlanTag};

use crate::arena::{Arena, Piece};
use crate::head::Head;

const ADDRESSES_LENGTH: usize = 12;

/// `offload` is that of the frame without a tag; `payload` starts with the type, after the tag.
#[derive(Clone, Copy, Debug)]
pub struct FrameView {
    pub offload: OffloadHeader,
    pub ethernet: EthernetHeader,
    pub payload: Piece,
}

impl FrameView {
    /// `body`: an offload header and a frame.
    pub fn parse(arena: &Arena, body: Piece) -> Result<Self, ParseError> {
        let bytes = arena.piece(body);
        let frame = bytes.get(OFFLOAD_LENGTH..).unwrap_or_default();
        let ethernet = EthernetHeader::parse(frame)?;
        let offload = OffloadHeader::parse(bytes, frame.len())?;
        let (offload, tag) = match ethernet.tag {
            Some(_) => (offload.without_tag(), 4),
            None => (offload, 0),
        };
        let start = body.start + (OFFLOAD_LENGTH + ADDRESSES_LENGTH + tag) as u32;
        Ok(Self { offload, ethernet, payload: Piece { start, ..body } })
    }

    /// The same with the tag that the kernel had taken out. A frame that carries a second tag keeps it as payload.
    pub fn with_stripped_tag(arena: &Arena, body: Piece, tag: VlanTag) -> Result<Self, ParseError> {
        let bytes = arena.piece(body);
        let frame = bytes.get(OFFLOAD_LENGTH..).unwrap_or_default();
        let ethernet = EthernetHeader { tag: Some(tag), ..EthernetHeader::parse(frame)? };
        let offload = OffloadHeader::parse(bytes, frame.len())?;
        let start = body.start + (OFFLOAD_LENGTH + ADDRESSES_LENGTH) as u32;
        Ok(Self { offload, ethernet, payload: Piece { start, ..body } })
    }

    /// All before the payload, after `head`: offload header, addresses, and the tag if one is wanted.
    pub fn head(&self, head: Head, tag: Option<VlanTag>) -> Head {
        let addresses = |head: Head| head.with(&self.ethernet.destination).with(&self.ethernet.source);
        match tag {
            Some(tag) => addresses(head.with(&self.offload.with_tag().encode())).with(&tag.encode()),
            None => addresses(head.with(&self.offload.encode())),
        }
    }

    /// The length of offload header and frame with or without a tag.
    pub fn body_length(&self, tagged: bool) -> usize {
        OFFLOAD_LENGTH + self.frame_length(tagged)
    }

    pub fn frame_length(&self, tagged: bool) -> usize {
        ADDRESSES_LENGTH + if tagged { 4 } else { 0 } + self.payload.len()
    }

    /// The VLAN of the tag; 0 without one, and for a tag that gives a priority only.
    pub fn vlan(&self) -> u16 {
        self.ethernet.tag.map_or(0, VlanTag::vlan)
    }

    /// A tag for this VLAN, with the priority that the frame came with.
    pub fn tag_for(&self, vlan: u16) -> VlanTag {
        VlanTag(self.ethernet.tag.map_or(0, |tag| tag.0 & 0xf000) | vlan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(tagged: bool) -> Vec<u8> {
        let mut bytes = OffloadHeader::PLAIN.encode().to_vec();
        bytes.extend_from_slice(&[0xff; 6]);
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 1]);
        if tagged {
            bytes.extend_from_slice(&[0x81, 0, 0x60, 10]);
        }
        bytes.extend_from_slice(&[0x08, 0x06]);
        bytes.extend_from_slice(&[9; 46]);
        bytes
    }

    fn stored(arena: &mut Arena, bytes: &[u8]) -> Piece {
        let slot = arena.take().unwrap();
        arena.bytes_mut(slot)[..bytes.len()].copy_from_slice(bytes);
        Piece::new(slot, 0..bytes.len())
    }

    #[test]
    fn a_tag_is_put_in_and_taken_out() {
        let mut arena = Arena::new(2);
        let tagged = stored(&mut arena, &body(true));
        let plain = stored(&mut arena, &body(false));
        for (from, to, tag) in [(tagged, plain, None), (plain, tagged, Some(VlanTag(0x600a)))] {
            let view = FrameView::parse(&arena, from).unwrap();
            let bytes = [view.head(Head::EMPTY, tag).bytes(), arena.piece(view.payload)].concat();
            assert_eq!(bytes, arena.piece(to));
            assert_eq!(bytes.len(), view.body_length(tag.is_some()));
        }
        let view = FrameView::with_stripped_tag(&arena, plain, VlanTag(0x600a)).unwrap();
        assert_eq!((view.vlan(), view.tag_for(20)), (10, VlanTag(0x6014)));
    }

    #[test]
    fn a_body_without_a_frame_is_refused() {
        let mut arena = Arena::new(2);
        let short = stored(&mut arena, &body(true)[..27]);
        assert!(FrameView::parse(&arena, short).is_err());
        let none = stored(&mut arena, &[0; 3]);
        assert!(FrameView::parse(&arena, none).is_err());
    }
}
