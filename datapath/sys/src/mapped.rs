use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU64;

/// A file in shared memory, seen as 64-bit words. What was stored stays in the file when the process is killed; only a
/// crash of the machine loses what the kernel had not written yet.
#[derive(Debug)]
pub struct MappedFile {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is only ever seen as atomic words, which any thread may use at any time.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// Opens the file, or makes it; afterwards it has at least `words` words, new ones zero.
    pub fn open(path: &Path, words: usize) -> io::Result<Self> {
        assert!(words > 0, "a mapping of nothing");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = (words * size_of::<u64>()) as u64;
        if file.metadata()?.len() < length {
            file.set_len(length)?;
        }
        // SAFETY: a new mapping, placed by the kernel, of a file that is at least this long; the result is checked.
        let pointer = unsafe {
            libc::mmap(
                null_mut(),
                length as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if pointer == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words_pointer = NonNull::new(pointer.cast()).expect("the kernel never maps address zero unasked");
        Ok(Self { words: words_pointer, count: words })
    }

    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, `count` words long, and lives as long as `self`; any octets are valid words.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and no reference to it outlives `self`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.count * size_of::<u64>()) };
    }
}
