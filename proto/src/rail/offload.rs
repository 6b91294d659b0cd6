use super::{ETHERNET_HEADER_LENGTH, ParseError, TAG_LENGTH, require};

/// `struct virtio_net_hdr` without the number of buffers, as TAP and AF_PACKET use it.
pub const OFFLOAD_LENGTH: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const WITH_ECN: u8 = 0x80;

/// Into what the frame is to be cut, at the latest by the last device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    None,
    TcpV4,
    TcpV6,
    Udp,
}

/// What is still to be done to a frame: a checksum to fill in, segments to cut (virtio 1.2, 5.1.6). Always
/// little-endian on the rails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadHeader {
    pub needs_checksum: bool,
    pub data_valid: bool,
    pub segmentation: Segmentation,
    pub with_ecn: bool,
    pub header_length: u16,
    pub segment_size: u16,
    pub checksum_start: u16,
    pub checksum_offset: u16,
}

impl OffloadHeader {
    /// Nothing left to do.
    pub const PLAIN: Self = Self {
        needs_checksum: false,
        data_valid: false,
        segmentation: Segmentation::None,
        with_ecn: false,
        header_length: 0,
        segment_size: 0,
        checksum_start: 0,
        checksum_offset: 0,
    };

    /// Parses it and checks that it can be true of a frame of `frame_length` octets.
    pub fn parse(bytes: &[u8], frame_length: usize) -> Result<Self, ParseError> {
        require("an offload header", bytes, OFFLOAD_LENGTH)?;
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let header = Self {
            needs_checksum: bytes[0] & NEEDS_CHECKSUM != 0,
            data_valid: bytes[0] & DATA_VALID != 0,
            segmentation: segmentation(bytes[1] & !WITH_ECN)?,
            with_ecn: bytes[1] & WITH_ECN != 0,
            header_length: word(2),
            segment_size: word(4),
            checksum_start: word(6),
            checksum_offset: word(8),
        };
        header.check(frame_length)?;
        Ok(header)
    }

    pub fn encode(&self) -> [u8; OFFLOAD_LENGTH] {
        let mut bytes = [0; OFFLOAD_LENGTH];
        bytes[0] = if self.needs_checksum { NEEDS_CHECKSUM } else { 0 } | if self.data_valid { DATA_VALID } else { 0 };
        let kind = match self.segmentation {
            Segmentation::None => 0,
            Segmentation::TcpV4 => 1,
            Segmentation::TcpV6 => 4,
            Segmentation::Udp => 5,
        };
        bytes[1] = kind | if self.with_ecn { WITH_ECN } else { 0 };
        bytes[2..4].copy_from_slice(&self.header_length.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.segment_size.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.checksum_start.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.checksum_offset.to_le_bytes());
        bytes
    }

    /// The same for the frame with a VLAN tag put in behind its addresses: all that counts from its start moves by 4.
    pub fn with_tag(self) -> Self {
        self.moved(|offset| offset.saturating_add(TAG_LENGTH as u16))
    }

    /// The same for the frame with its VLAN tag taken out.
    pub fn without_tag(self) -> Self {
        self.moved(|offset| offset.saturating_sub(TAG_LENGTH as u16))
    }

    fn moved(self, by: impl Fn(u16) -> u16) -> Self {
        let checksum_start = if self.needs_checksum { by(self.checksum_start) } else { self.checksum_start };
        let header_length = if self.header_length == 0 { 0 } else { by(self.header_length) };
        Self { checksum_start, header_length, ..self }
    }

    fn check(&self, frame_length: usize) -> Result<(), ParseError> {
        let start = usize::from(self.checksum_start);
        if self.needs_checksum && start < ETHERNET_HEADER_LENGTH {
            return Err(ParseError::Offload("the checksum starts inside the Ethernet header"));
        }
        if self.needs_checksum && start + usize::from(self.checksum_offset) + 2 > frame_length {
            return Err(ParseError::Offload("the checksum lies outside the frame"));
        }
        match self.segmentation {
            Segmentation::None => Ok(()),
            _ if self.segment_size == 0 => Err(ParseError::Offload("segments of no octets")),
            _ if usize::from(self.header_length) > frame_length => {
                Err(ParseError::Offload("the headers end after the frame"))
            }
            _ => Ok(()),
        }
    }
}

fn segmentation(octet: u8) -> Result<Segmentation, ParseError> {
    match octet {
        0 => Ok(Segmentation::None),
        1 => Ok(Segmentation::TcpV4),
        4 => Ok(Segmentation::TcpV6),
        5 => Ok(Segmentation::Udp),
        _ => Err(ParseError::Offload("an unknown kind of segmentation")),
    }
}
