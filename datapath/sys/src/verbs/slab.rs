use std::sync::atomic::{AtomicU64, Ordering};

use super::OWNED;
use crate::pages::Buffer;

/// The buffers that the hardware may write, found by the id of the work that they were posted with. An id is used once in
/// the life of the process, so that no completion but its own brings a buffer back.
#[derive(Debug, Default)]
pub(super) struct Slab {
    entries: Vec<Option<(u64, Buffer)>>,
    free: Vec<u16>,
}

/// The low bits of an id say where the buffer is, the others that it is this one.
const INDEX_BITS: u32 = 16;

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Slab {
    /// Panics when there are as many as can be told apart (65,536): look before.
    pub fn put(&mut self, buffer: Buffer) -> u64 {
        assert!(self.has_room(), "more buffers are posted than can be told apart");
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as u16
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed) & (OWNED - 1) >> INDEX_BITS;
        let id = OWNED | number << INDEX_BITS | u64::from(index);
        self.entries[usize::from(index)] = Some((id, buffer));
        id
    }

    pub fn has_room(&self) -> bool {
        !self.free.is_empty() || self.entries.len() < 1 << INDEX_BITS
    }

    pub fn take(&mut self, id: u64) -> Option<Buffer> {
        let index = id as u16;
        let entry = self.entries.get_mut(usize::from(index))?;
        let (_, buffer) = entry.take_if(|it| it.0 == id)?;
        self.free.push(index);
        Some(buffer)
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_once_and_only_by_its_own_id() {
        let (mut one, mut other) = (Slab::default(), Slab::default());
        let first = one.put(Buffer::default());
        let second = other.put(Buffer::default());
        assert!(one.take(second).is_none() && other.take(first).is_none());
        assert!(one.take(first).is_some() && one.take(first).is_none());
        let again = one.put(Buffer::default());
        assert!(again as u16 == first as u16 && one.take(first).is_none(), "the place is used again, the id is not");
        assert_eq!((one.len(), one.has_room()), (1, true));
    }
}
