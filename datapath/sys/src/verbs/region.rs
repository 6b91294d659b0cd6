use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use super::check_object;
use super::domain::Domain;
use crate::pages::{Buffer, Pages};

/// Some [`Pages`], registered: the hardware reads and writes them for work of ours. No peer reaches them.
#[derive(Debug)]
pub struct Region {
    raw: NonNull<ffi::ibv_mr>,
    key: u32,
    pages: Arc<Pages>,
    domain: Arc<Domain>,
}

/// A stretch of a region, as the hardware knows it.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub(super) raw: ffi::ibv_sge,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// All of the memory is in RAM from now on, and counts against the limit of locked memory (RLIMIT_MEMLOCK).
    pub fn new(domain: &Arc<Domain>, pages: &Arc<Pages>) -> io::Result<Arc<Self>> {
        let (start, length) = pages.stretch();
        let access = ffi::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0 as i32;
        // SAFETY: the stretch is mapped for as long as `pages`, which this object holds; what is written to it is governed by
        // who owns its buffers, as the module says.
        let raw = unsafe { ffi::ibv_reg_mr(domain.raw.as_ptr(), start.as_ptr().cast(), length, access) };
        let raw = check_object(raw)?;
        // SAFETY: the region was just made.
        let key = unsafe { raw.as_ref() }.lkey;
        Ok(Arc::new(Self { raw, key, pages: Arc::clone(pages), domain: Arc::clone(domain) }))
    }

    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// A stretch of a buffer of this region. Panics when the buffer is of other memory, or the range not in it.
    pub fn segment(&self, buffer: &Buffer, range: Range<usize>) -> Segment {
        assert!(buffer.pages().is_some_and(|it| Arc::ptr_eq(it, &self.pages)), "a buffer of other memory");
        assert!(range.start <= range.end && range.end <= buffer.len(), "a stretch outside its buffer");
        let addr = buffer.start().as_ptr() as u64 + range.start as u64;
        Segment { raw: ffi::ibv_sge { addr, length: range.len() as u32, lkey: self.key } }
    }

    pub(super) fn is_of(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.domain, domain)
    }
}

impl Segment {
    pub fn len(&self) -> usize {
        self.raw.length as usize
    }

    pub fn is_empty(&self) -> bool {
        self.raw.length == 0
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was registered once. Work that still names it is refused by the hardware from now on.
        unsafe { ffi::ibv_dereg_mr(self.raw.as_ptr()) };
    }
}
