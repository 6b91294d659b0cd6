use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// Memory cut into buffers of one size, which never move: what hardware can be given the addresses of. Only pages that
/// were touched, or are registered with hardware, are in memory.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

/// A buffer of some [`Pages`]: its one owner. The memory lives as long as any of its buffers.
///
/// The default is a buffer of no octets, to put in the place of one that is lent.
#[derive(Default)]
pub struct Buffer {
    memory: Option<Memory>,
}

struct Memory {
    start: NonNull<u8>,
    length: usize,
    pages: Arc<Pages>,
}

// SAFETY: `Pages` never reads or writes the memory; it only names and unmaps it.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}
// SAFETY: a buffer is the only owner of its stretch of the memory, as a box is of its own.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared buffer can only be read.
unsafe impl Sync for Memory {}

impl Pages {
    /// So many buffers, all zeros. `size` must be a multiple of the page size (4096), so that no two buffers share a page.
    pub fn allocate(buffers: usize, size: usize) -> io::Result<Vec<Buffer>> {
        assert!(buffers > 0 && size > 0 && size.is_multiple_of(4096), "buffers are made of whole pages");
        let length = buffers.checked_mul(size).ok_or(io::ErrorKind::OutOfMemory)?;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, placed by the kernel; the result is checked.
        let pointer = unsafe { libc::mmap(null_mut(), length, access, kind, -1, 0) };
        if pointer == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(pointer.cast::<u8>()).expect("the kernel never maps address zero unasked");
        let pages = Arc::new(Self { start, length });
        let buffer = |at: usize| {
            // SAFETY: `at * size` is within the mapping, which has `buffers * size` octets.
            let start = unsafe { start.add(at * size) };
            Buffer { memory: Some(Memory { start, length: size, pages: Arc::clone(&pages) }) }
        };
        Ok((0..buffers).map(buffer).collect())
    }

    /// Where all of it is, for a registration.
    #[cfg(feature = "verbs")]
    pub(crate) fn stretch(&self) -> (NonNull<u8>, usize) {
        (self.start, self.length)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length; every buffer holds a reference to `self`, so that none
        // is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

impl Buffer {
    /// What it is a part of; None for the default buffer.
    pub fn pages(&self) -> Option<&Arc<Pages>> {
        self.memory.as_ref().map(|it| &it.pages)
    }

    /// Its first octet.
    #[cfg(feature = "verbs")]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.memory.as_ref().map_or(NonNull::dangling(), |it| it.start)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            // SAFETY: the stretch is mapped, belongs to this buffer alone, and any octets are valid.
            Some(it) => unsafe { std::slice::from_raw_parts(it.start.as_ptr(), it.length) },
            None => &[],
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            // SAFETY: as above, and `self` is borrowed exclusively.
            Some(it) => unsafe { std::slice::from_raw_parts_mut(it.start.as_ptr(), it.length) },
            None => &mut [],
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} octets)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_apart_and_outlive_each_other() {
        let mut buffers = Pages::allocate(3, 8192).unwrap();
        for (number, buffer) in buffers.iter_mut().enumerate() {
            assert!(buffer.iter().all(|&it| it == 0) && buffer.len() == 8192);
            buffer.fill(number as u8 + 1);
        }
        let last = buffers.pop().unwrap();
        drop(buffers);
        assert!(last.iter().all(|&it| it == 3));
        assert_eq!((Buffer::default().len(), Buffer::default().pages().is_none()), (0, true));
    }
}
