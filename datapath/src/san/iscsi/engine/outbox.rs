use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::san::iscsi::pdu::digest::{self, DIGEST_LENGTH};
use crate::san::iscsi::pdu::{HEADER_LENGTH, Header, padding};

/// PDUs on their way to the socket, as pieces of octets. The data of a command stays where it is: pieces share it.
///
/// It holds no more than the commands in flight have data, each octet once: what bounds those bounds it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// Of the first piece.
    written: usize,
    header_digest: bool,
    data_digest: bool,
}

#[derive(Debug)]
enum Piece {
    /// A header with its digest, or padding and digest of data.
    Small {
        octets: [u8; SMALL],
        length: u8,
    },
    Data(Bytes),
}

const SMALL: usize = HEADER_LENGTH + DIGEST_LENGTH;

impl Piece {
    fn small(parts: [&[u8]; 2]) -> Self {
        let mut octets = [0; SMALL];
        let length = parts[0].len() + parts[1].len();
        octets[..parts[0].len()].copy_from_slice(parts[0]);
        octets[parts[0].len()..length].copy_from_slice(parts[1]);
        Self::Small { octets, length: length as u8 }
    }

    fn octets(&self) -> &[u8] {
        match self {
            Self::Small { octets, length } => &octets[..usize::from(*length)],
            Self::Data(data) => data,
        }
    }
}

impl Outbox {
    /// For what is pushed from now on.
    pub fn set_digests(&mut self, header: bool, data: bool) {
        (self.header_digest, self.data_digest) = (header, data);
    }

    /// # Panics
    ///
    /// With data of more than 24 bits of length.
    pub fn push(&mut self, header: Header, data: Bytes) {
        let length = u32::try_from(data.len()).expect("no data segment has more than 24 bits of length");
        let header = header.with_data_length(length);
        let counted = self.header_digest.then(|| digest::to_wire(digest::append(0, &header.0)));
        self.pieces.push_back(Piece::small([&header.0, counted.as_ref().map_or(&[], |it| it)]));
        if data.is_empty() {
            return;
        }
        let padding = &[0; 3][..padding(data.len())];
        let counted = self.data_digest.then(|| digest::to_wire(digest::append(digest::append(0, &data), padding)));
        self.pieces.push_back(Piece::Data(data));
        if counted.is_some() || !padding.is_empty() {
            self.pieces.push_back(Piece::small([padding, counted.as_ref().map_or(&[], |it| it)]));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn clear(&mut self) {
        self.pieces.clear();
        self.written = 0;
    }

    /// What is to be written next; returns how many slices were filled.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.octets()[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// So many octets of it were written.
    pub fn wrote(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front() {
            let rest = piece.octets().len() - self.written;
            if count < rest {
                break;
            }
            count -= rest;
            self.written = 0;
            self.pieces.pop_front();
        }
        self.written += count;
        assert!(self.written == 0 || !self.pieces.is_empty(), "more was written than there was");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::san::iscsi::pdu::{FromInitiator, InitiatorNumbers, NO_TAG, NopOut};

    fn nop() -> Header {
        let (task_tag, transfer_tag) = (1, NO_TAG);
        let numbers = InitiatorNumbers::default();
        FromInitiator::NopOut(NopOut { immediate: true, lun: [0; 8], task_tag, transfer_tag, numbers }).header()
    }

    /// Takes all of it, a few octets a time.
    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = outbox.fill(&mut slices);
            let all: Vec<u8> = slices[..count].iter().flat_map(|it| it.iter().copied()).collect();
            let some = step.min(all.len());
            taken.extend(&all[..some]);
            outbox.wrote(some);
        }
        taken
    }

    #[test]
    fn headers_data_padding_and_digests_stand_in_their_order() {
        let data = b"seven o";
        let header = nop().with_data_length(7).0;
        let digest = |octets: &[u8]| digest::to_wire(digest::append(0, octets)).to_vec();
        let plain = [&header[..], data, &[0]].concat();
        let full = [&header[..], &digest(&header), data, &[0], &digest(b"seven o\0")].concat();
        for step in [1, 3, 50, 4096] {
            for (digests, expected) in [(false, &plain), (true, &full)] {
                let mut outbox = Outbox::default();
                outbox.set_digests(digests, digests);
                outbox.push(nop(), Bytes::from_static(data));
                outbox.push(nop(), Bytes::new());
                let alone = [&nop().0[..], &if digests { digest(&nop().0) } else { Vec::new() }].concat();
                assert_eq!(drain(&mut outbox, step), [expected.clone(), alone].concat());
            }
        }
    }
}
