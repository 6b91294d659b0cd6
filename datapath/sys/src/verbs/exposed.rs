use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::check_object;
use super::domain::Domain;
use crate::pages::Buffer;

/// A buffer that peers may read and write by RDMA, as long as it is not closed: any peer of the same domain that knows its key.
///
/// As they may do so at any time, its octets are seen only through copies. The key is the hardware's; once the buffer is
/// closed or dropped, work of a peer that names it is refused, and the peer's queue pair breaks.
#[derive(Debug)]
pub struct Exposed {
    raw: NonNull<ffi::ibv_mr>,
    /// None only while it is being closed.
    buffer: Option<Buffer>,
    _domain: Arc<Domain>,
}

/// A stretch of a peer's memory, as the peer told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSegment {
    pub address: u64,
    pub key: u32,
}

// SAFETY: verbs may be called by any thread; the memory is only ever touched by atomic loads and stores.
unsafe impl Send for Exposed {}
// SAFETY: as above.
unsafe impl Sync for Exposed {}

impl Exposed {
    /// Fails with the buffer when it cannot be registered.
    pub fn new(domain: &Arc<Domain>, buffer: Buffer) -> Result<Self, (Buffer, io::Error)> {
        use ffi::ibv_access_flags as flags;
        let access = flags::IBV_ACCESS_LOCAL_WRITE | flags::IBV_ACCESS_REMOTE_READ | flags::IBV_ACCESS_REMOTE_WRITE;
        let start = buffer.start().as_ptr().cast();
        // SAFETY: the stretch is mapped for as long as the buffer, which this object owns, and nobody else looks at it.
        let raw = unsafe { ffi::ibv_reg_mr(domain.raw.as_ptr(), start, buffer.len(), access.0 as i32) };
        match check_object(raw) {
            Ok(raw) => Ok(Self { raw, buffer: Some(buffer), _domain: Arc::clone(domain) }),
            Err(error) => Err((buffer, error)),
        }
    }

    /// What a peer needs to know.
    pub fn remote(&self) -> RemoteSegment {
        // SAFETY: the region is registered as long as `self`.
        let raw = unsafe { self.raw.as_ref() };
        RemoteSegment { address: raw.addr as u64, key: raw.rkey }
    }

    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |it| it.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies from the buffer. Panics when there is less.
    pub fn copy_out(&self, offset: usize, mut into: &mut [u8]) {
        let (head, words, tail) = self.cells(offset, into.len());
        let mut next = |count| into.split_off_mut(..count).expect("as many octets as cells");
        next(head.len()).iter_mut().zip(head).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        for (to, from) in next(8 * words.len()).chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.load(Ordering::Relaxed).to_ne_bytes());
        }
        next(tail.len()).iter_mut().zip(tail).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
    }

    /// Copies to the buffer. Panics when there is less room.
    pub fn copy_in(&mut self, offset: usize, octets: &[u8]) {
        let (head, words, tail) = self.cells(offset, octets.len());
        let (first, rest) = octets.split_at(head.len());
        let (middle, last) = rest.split_at(8 * words.len());
        first.iter().zip(head).for_each(|(&from, to)| to.store(from, Ordering::Relaxed));
        for (from, to) in middle.chunks_exact(8).zip(words) {
            to.store(u64::from_ne_bytes(from.try_into().expect("eight octets")), Ordering::Relaxed);
        }
        last.iter().zip(tail).for_each(|(&from, to)| to.store(from, Ordering::Relaxed));
    }

    /// No peer reaches it any more when this returns. When the hardware does not let go of it, the memory is given up.
    pub fn close(mut self) -> io::Result<Buffer> {
        let buffer = self.buffer.take().expect("it is closed once");
        self.unregister(buffer)
    }

    fn unregister(&self, buffer: Buffer) -> io::Result<Buffer> {
        // SAFETY: it was registered once, and whoever calls this has taken the buffer out, so that it happens once.
        match super::check_number(unsafe { ffi::ibv_dereg_mr(self.raw.as_ptr()) }) {
            Ok(()) => Ok(buffer),
            Err(error) => {
                std::mem::forget(buffer);
                Err(error)
            }
        }
    }

    /// The stretch, in whole words as far as possible.
    fn cells(&self, offset: usize, length: usize) -> (&[AtomicU8], &[AtomicU64], &[AtomicU8]) {
        let buffer = self.buffer.as_ref().expect("it is closed only when it is given away");
        assert!(offset <= buffer.len() && length <= buffer.len() - offset, "a stretch outside its buffer");
        // SAFETY: the stretch is within the buffer, which nobody looks at in any other way while it is exposed; any octets
        // are valid words. Of this process only one call writes at a time (`copy_in` borrows exclusively).
        unsafe {
            let start = buffer.start().as_ptr().add(offset).cast::<AtomicU8>();
            std::slice::from_raw_parts(start, length).align_to::<AtomicU64>()
        }
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            drop(self.unregister(buffer));
        }
    }
}
