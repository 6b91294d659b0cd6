use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Data up to this length is copied behind its header: that costs less than one more slice for the kernel.
const COPIED: usize = 8 << 10;

/// Octets on their way to the client. Large data is queued without being copied.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<Bytes>,
    /// What comes after the queue.
    tail: BytesMut,
    queued: usize,
}

impl Output {
    pub fn len(&self) -> usize {
        self.queued + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For headers and small things.
    pub(super) fn small(&mut self) -> &mut impl BufMut {
        &mut self.tail
    }

    pub(super) fn data(&mut self, data: Bytes) {
        if data.len() <= COPIED {
            self.tail.put_slice(&data);
            return;
        }
        self.queue_tail();
        self.queued += data.len();
        self.queue.push_back(data);
    }

    /// The first pieces, as many as there is room for.
    pub fn slices<'a>(&'a mut self, room: &mut [IoSlice<'a>]) -> usize {
        self.queue_tail();
        let pieces = self.queue.iter().zip(room.iter_mut());
        pieces.map(|(piece, slice)| *slice = IoSlice::new(piece)).count()
    }

    /// So many octets have been sent; at most as many as there are.
    pub(super) fn advance(&mut self, mut sent: usize) {
        self.queue_tail();
        self.queued -= sent;
        while let Some(first) = self.queue.front_mut() {
            if sent < first.len() {
                first.advance(sent);
                break;
            }
            sent -= first.len();
            self.queue.pop_front();
        }
    }

    fn queue_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queued += self.tail.len();
            self.queue.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_octets_come_out_in_order_however_few_are_sent_at_a_time() {
        let pieces = [vec![1; 3], vec![2; COPIED + 1], vec![3; COPIED], vec![4; 3 * COPIED], vec![5]];
        for step in [1, 7, 5000, usize::MAX] {
            let mut output = Output::default();
            pieces.iter().for_each(|it| output.data(Bytes::from(it.clone())));
            let mut sent = Vec::new();
            while !output.is_empty() {
                let mut room = [IoSlice::new(&[]); 2];
                let count = output.slices(&mut room);
                let now = room[..count].iter().flat_map(|it| it.to_vec()).collect::<Vec<u8>>();
                let now = &now[..now.len().min(step)];
                sent.extend_from_slice(now);
                let length = now.len();
                output.advance(length);
            }
            assert!(sent == pieces.concat(), "{step} at a time");
        }
    }
}
