use crate::san::iscsi::pdu::digest::{self, DIGEST_LENGTH};
use crate::san::iscsi::pdu::{HEADER_LENGTH, Header, PduError, padding};

/// Cuts the stream of octets into PDUs, and checks digests.
///
/// ```text
///   Header ─▶ Additional ─▶ HeaderDigest ─▶ Data ─▶ Tail ─▶ End ─▶ Header …
/// ```
///
/// Each step is passed in no time when it has no octets.
#[derive(Debug)]
pub(super) struct Receiver {
    at: At,
    header: [u8; HEADER_LENGTH],
    /// Octets of the present step that have come.
    have: usize,
    /// The CRC32C so far.
    counted: u32,
    tail: [u8; 3 + DIGEST_LENGTH],
    header_digest: bool,
    data_digest: bool,
    limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Header,
    Additional,
    HeaderDigest,
    Data,
    Tail,
    End,
}

/// What was found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole header. What it says of its data is true.
    Header(Header),
    /// The next octets of the data segment.
    Data(&'a [u8]),
    /// The PDU is complete, and its digests are right.
    End,
    /// All octets are consumed.
    Nothing,
}

impl Receiver {
    /// Without digests; `limit`: the longest data segment that is taken.
    pub fn new(limit: u32) -> Self {
        Self {
            at: At::Header,
            header: [0; HEADER_LENGTH],
            have: 0,
            counted: 0,
            tail: [0; 3 + DIGEST_LENGTH],
            header_digest: false,
            data_digest: false,
            limit,
        }
    }

    /// For the next PDU on.
    pub fn set(&mut self, header_digest: bool, data_digest: bool, limit: u32) {
        assert!(self.at == At::Header && self.have == 0, "digests change between PDUs");
        (self.header_digest, self.data_digest, self.limit) = (header_digest, data_digest, limit);
    }

    /// Goes on to the next thing of note.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Found<'a>, PduError> {
        loop {
            match self.at {
                At::Header => {
                    if !fill(&mut self.header, &mut self.have, input) {
                        return Ok(Found::Nothing);
                    }
                    self.counted = if self.header_digest { digest::append(0, &self.header) } else { 0 };
                    self.go_to(At::Additional);
                }
                At::Additional => {
                    let skipped = take(input, Header(self.header).additional_length() - self.have);
                    self.have += skipped.len();
                    if self.header_digest {
                        self.counted = digest::append(self.counted, skipped);
                    }
                    if self.have < Header(self.header).additional_length() {
                        return Ok(Found::Nothing);
                    }
                    self.go_to(At::HeaderDigest);
                }
                At::HeaderDigest => {
                    if self.header_digest && !fill(&mut self.tail[..DIGEST_LENGTH], &mut self.have, input) {
                        return Ok(Found::Nothing);
                    }
                    return self.end_header();
                }
                At::Data => {
                    let octets = take(input, self.data_left());
                    if octets.is_empty() {
                        return Ok(Found::Nothing);
                    }
                    self.placed(octets);
                    return Ok(Found::Data(octets));
                }
                At::Tail => {
                    let length = padding(self.data_length()) + if self.data_digest { DIGEST_LENGTH } else { 0 };
                    if !fill(&mut self.tail[..length], &mut self.have, input) {
                        return Ok(Found::Nothing);
                    }
                    self.check_data()?;
                    self.go_to(At::End);
                }
                At::End => {
                    self.go_to(At::Header);
                    return Ok(Found::End);
                }
            }
        }
    }

    /// Octets of the present data segment that have not come; 0 outside of one.
    pub fn data_left(&self) -> usize {
        if self.at == At::Data { self.data_length() - self.have } else { 0 }
    }

    /// So many octets of the present data segment have come.
    pub fn data_had(&self) -> usize {
        if self.at == At::Data { self.have } else { 0 }
    }

    /// These octets of the data segment came by another way than [`Receiver::next`].
    pub fn placed(&mut self, octets: &[u8]) {
        assert!(self.at == At::Data && octets.len() <= self.data_left(), "only data is placed");
        self.have += octets.len();
        if self.data_digest {
            self.counted = digest::append(self.counted, octets);
        }
        if self.data_left() == 0 {
            self.go_to(At::Tail);
        }
    }

    fn data_length(&self) -> usize {
        Header(self.header).data_length() as usize
    }

    fn go_to(&mut self, at: At) {
        (self.at, self.have) = (at, 0);
    }

    fn end_header<'a>(&mut self) -> Result<Found<'a>, PduError> {
        if self.header_digest {
            let said = digest::from_wire(self.tail[..DIGEST_LENGTH].try_into().expect("a digest has its length"));
            if said != self.counted {
                return Err(PduError::HeaderDigest { said, counted: self.counted });
            }
        }
        let header = Header(self.header);
        if header.data_length() > self.limit {
            return Err(PduError::DataSegmentLength { length: header.data_length(), limit: self.limit });
        }
        self.counted = 0;
        self.go_to(if header.data_length() > 0 { At::Data } else { At::End });
        Ok(Found::Header(header))
    }

    fn check_data(&self) -> Result<(), PduError> {
        if !self.data_digest {
            return Ok(());
        }
        let (padding, rest) = self.tail.split_at(padding(self.data_length()));
        let counted = digest::append(self.counted, padding);
        let said = digest::from_wire(rest[..DIGEST_LENGTH].try_into().expect("a digest has its length"));
        if said == counted { Ok(()) } else { Err(PduError::DataDigest { said, counted }) }
    }
}

/// Takes up to `count` octets.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    taken
}

/// Whether the place is full then.
fn fill(place: &mut [u8], have: &mut usize, input: &mut &[u8]) -> bool {
    let octets = take(input, place.len() - *have);
    place[*have..*have + octets.len()].copy_from_slice(octets);
    *have += octets.len();
    *have == place.len()
}
