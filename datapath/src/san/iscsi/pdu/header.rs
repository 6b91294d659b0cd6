/// The basic header segment's length (RFC 7143, 11.2).
pub const HEADER_LENGTH: usize = 48;

/// DataSegmentLength has 24 bits.
pub const LARGEST_SEGMENT: u32 = (1 << 24) - 1;

/// A basic header segment as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header(pub [u8; HEADER_LENGTH]);

const IMMEDIATE: u8 = 0x40;

impl Header {
    pub(super) fn new(opcode: u8, flags: u8) -> Self {
        let mut octets = [0; HEADER_LENGTH];
        octets[0] = opcode;
        octets[1] = flags;
        Self(octets)
    }

    /// The opcode, without the immediate bit.
    pub fn opcode(&self) -> u8 {
        self.0[0] & 0x3f
    }

    /// Octets of additional headers between this one and its digest.
    pub fn additional_length(&self) -> usize {
        usize::from(self.0[4]) * 4
    }

    pub fn data_length(&self) -> u32 {
        self.u32(4) & LARGEST_SEGMENT
    }

    /// # Panics
    ///
    /// With more than [`LARGEST_SEGMENT`] octets.
    pub fn with_data_length(mut self, length: u32) -> Self {
        assert!(length <= LARGEST_SEGMENT, "a data segment has at most 24 bits of length");
        let additional = u32::from(self.0[4]) << 24;
        self.put_u32(4, additional | length);
        self
    }

    pub(super) fn is_immediate(&self) -> bool {
        self.0[0] & IMMEDIATE != 0
    }

    pub(super) fn with_immediate(mut self, immediate: bool) -> Self {
        self.0[0] |= if immediate { IMMEDIATE } else { 0 };
        self
    }

    pub(super) fn flag(&self, mask: u8) -> bool {
        self.0[1] & mask != 0
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a range has its own length")
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(super) fn put(&mut self, at: usize, octets: &[u8]) {
        self.0[at..at + octets.len()].copy_from_slice(octets);
    }

    pub(super) fn put_u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_be_bytes());
    }

    pub(super) fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_be_bytes());
    }
}

/// A flag's bit, or none.
pub(super) fn bit(set: bool, mask: u8) -> u8 {
    if set { mask } else { 0 }
}
