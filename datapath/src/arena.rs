//! The buffers of one thread: made once, lent and given back, never allocated per frame.
//!
//! A slot is counted by who holds it: whoever received or filled it, and every message that was posted from it and not
//! yet sent. A rail that sends by itself later (RDMA) keeps its hold until the completion; one that copies at the system
//! call lets go at once.
//!
//! The memory of a slot never moves, so that a rail can register it with its hardware; but a slot may be given another
//! memory in exchange, when something was received into that. Which memory a buffer belongs to, the buffer says.

use std::ops::Range;

use twinrail_datapath_sys::{Buffer, Pages};
use twinrail_proto::rail::MAX_MESSAGE;

/// One buffer. Larger than any message, than 64 KiB of datagrams received as one, and than any frame of a TAP device.
pub const SLOT_LENGTH: usize = MAX_MESSAGE.next_multiple_of(4096);

/// Names a buffer of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

/// A stretch of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub slot: Slot,
    pub start: u32,
    pub end: u32,
}

/// A buffer on loan, for the kernel to write to.
pub struct Lent {
    pub slot: Slot,
    pub buffer: Buffer,
}

pub struct Arena {
    slots: Vec<Buffer>,
    holders: Vec<u16>,
    free: Vec<Slot>,
}

impl Arena {
    pub fn new(slots: u16) -> Self {
        let buffers = buffers(usize::from(slots));
        // The last of the free list is taken first, and the one given back last is warmest in the cache.
        let free = (0..slots).rev().map(Slot).collect();
        Self { slots: buffers, holders: vec![0; usize::from(slots)], free }
    }

    /// None: all are in use. The caller drops its frame and counts it.
    pub fn take(&mut self) -> Option<Slot> {
        let slot = self.free.pop()?;
        self.holders[usize::from(slot.0)] = 1;
        Some(slot)
    }

    pub fn free_slots(&self) -> usize {
        self.free.len()
    }

    pub fn hold(&mut self, slot: Slot) {
        let holders = &mut self.holders[usize::from(slot.0)];
        assert!(*holders > 0, "a free buffer cannot be held");
        *holders += 1;
    }

    pub fn release(&mut self, slot: Slot) {
        let holders = &mut self.holders[usize::from(slot.0)];
        assert!(*holders > 0, "a buffer was released twice");
        *holders -= 1;
        if *holders == 0 {
            self.free.push(slot);
        }
    }

    /// The memory of a slot, for a rail that gives it to its hardware.
    pub fn buffer(&self, slot: Slot) -> &Buffer {
        &self.slots[usize::from(slot.0)]
    }

    pub fn bytes(&self, slot: Slot) -> &[u8] {
        &self.slots[usize::from(slot.0)]
    }

    pub fn bytes_mut(&mut self, slot: Slot) -> &mut [u8] {
        &mut self.slots[usize::from(slot.0)]
    }

    pub fn piece(&self, piece: Piece) -> &[u8] {
        &self.bytes(piece.slot)[piece.range()]
    }

    /// Copies a stretch of one buffer to another one.
    pub fn copy(&mut self, from: Piece, to: Slot, at: usize) {
        assert_ne!(from.slot, to, "a copy within one buffer");
        let target = usize::from(to.0);
        let mut buffer = std::mem::take(&mut self.slots[target]);
        buffer[at..at + from.len()].copy_from_slice(self.piece(from));
        self.slots[target] = buffer;
    }

    /// Takes up to `count` buffers out, so that the kernel can fill all of them at once.
    pub fn lend(&mut self, count: usize, into: &mut Vec<Lent>) {
        while into.len() < count
            && let Some(slot) = self.take()
        {
            into.push(Lent { slot, buffer: std::mem::take(&mut self.slots[usize::from(slot.0)]) });
        }
    }

    /// Puts them back: the first `used` stay held, once each, the others are free again.
    pub fn give_back(&mut self, lent: &mut Vec<Lent>, used: usize) {
        for (at, Lent { slot, buffer }) in lent.drain(..).enumerate().rev() {
            self.slots[usize::from(slot.0)] = buffer;
            if at >= used {
                self.release(slot);
            }
        }
    }

    /// Exchanges the memory of a buffer for another of the same size.
    pub fn exchange(&mut self, slot: Slot, buffer: &mut Buffer) {
        assert_eq!(buffer.len(), SLOT_LENGTH, "buffers have one size");
        std::mem::swap(&mut self.slots[usize::from(slot.0)], buffer);
    }
}

/// So many buffers of the size of a slot. Panics when the machine has no memory left, as every allocation does.
pub(crate) fn buffers(count: usize) -> Vec<Buffer> {
    Pages::allocate(count, SLOT_LENGTH).expect("memory for the buffers of a rail")
}

impl Piece {
    pub fn new(slot: Slot, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= SLOT_LENGTH, "a piece outside its buffer");
        Self { slot, start: range.start as u32, end: range.end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_the_last_holder_lets_go() {
        let mut arena = Arena::new(2);
        let slot = arena.take().unwrap();
        arena.hold(slot);
        arena.release(slot);
        assert_eq!(arena.free_slots(), 1);
        arena.release(slot);
        assert_eq!(arena.free_slots(), 2);
        assert_eq!(arena.take(), Some(slot), "the warmest first");
    }

    #[test]
    fn lent_buffers_come_back_with_what_was_written() {
        let mut arena = Arena::new(4);
        let mut lent = Vec::new();
        arena.lend(3, &mut lent);
        lent[0].buffer[0] = 7;
        let first = lent[0].slot;
        arena.give_back(&mut lent, 1);
        assert_eq!((arena.bytes(first)[0], arena.free_slots()), (7, 3));
        let other = arena.take().unwrap();
        arena.copy(Piece::new(first, 0..1), other, 5);
        assert_eq!(arena.bytes(other)[5], 7);
    }

    #[test]
    #[should_panic(expected = "released twice")]
    fn releasing_twice_is_a_programming_error() {
        let mut arena = Arena::new(1);
        let slot = arena.take().unwrap();
        arena.release(slot);
        arena.release(slot);
    }
}
