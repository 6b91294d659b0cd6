use std::io;
use std::mem::{forget, take, zeroed};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::completion::Completion;
use super::domain::Domain;
use super::region::Region;
use super::slab::Slab;
use super::{check_number, check_object};
use crate::pages::Buffer;

/// A shared receive queue: the buffers that messages of many queue pairs are received into, in the order in which they come.
#[derive(Debug)]
pub struct SharedReceives {
    pub(super) raw: NonNull<ffi::ibv_srq>,
    posted: Mutex<Slab>,
    room: u32,
    domain: Arc<Domain>,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for SharedReceives {}
// SAFETY: as above.
unsafe impl Sync for SharedReceives {}

impl SharedReceives {
    /// Room for so many buffers.
    pub fn new(domain: &Arc<Domain>, room: u32) -> io::Result<Arc<Self>> {
        // SAFETY: all-zero octets are a valid value.
        let mut attributes: ffi::ibv_srq_init_attr = unsafe { zeroed() };
        (attributes.attr.max_wr, attributes.attr.max_sge) = (room, 1);
        // SAFETY: the domain is there, and the attributes are valid.
        let raw = check_object(unsafe { ffi::ibv_create_srq(domain.raw.as_ptr(), &raw mut attributes) })?;
        Ok(Arc::new(Self { raw, posted: Mutex::default(), room, domain: Arc::clone(domain) }))
    }

    /// Gives a buffer to the hardware, for one message. It comes back by [`take`](Self::take); at once when it cannot be posted.
    pub fn post(&self, region: &Region, buffer: Buffer) -> Result<(), (Buffer, io::Error)> {
        let mut posted = self.posted();
        if !region.is_of(&self.domain) || !posted.has_room() || posted.len() >= self.room as usize {
            return Err((buffer, io::ErrorKind::InvalidInput.into()));
        }
        let mut segment = region.segment(&buffer, 0..buffer.len()).raw;
        let id = posted.put(buffer);
        let mut request = ffi::ibv_recv_wr { wr_id: id, next: null_mut(), sg_list: &raw mut segment, num_sge: 1 };
        let mut refused = null_mut();
        let result = match self.operations().post_srq_recv {
            // SAFETY: the queue is there, and the request and its segment outlive the call. The memory is owned by `posted`
            // until the completion of this very id is shown, or the queue is destroyed.
            Some(post) => check_number(unsafe { post(self.raw.as_ptr(), &raw mut request, &raw mut refused) }),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        result.map_err(|error| (posted.take(id).expect("it was just put there"), error))
    }

    /// The buffer of a receive that ended; None: this was no receive of this queue, or was shown before.
    pub fn take(&self, completion: &Completion) -> Option<Buffer> {
        self.posted().take(completion.id())
    }

    /// How many buffers the hardware has.
    pub fn posted_count(&self) -> usize {
        self.posted().len()
    }

    pub fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    fn posted(&self) -> MutexGuard<'_, Slab> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operations(&self) -> &ffi::ibv_context_ops {
        // SAFETY: the device is open as long as `self`.
        unsafe { &(*self.domain.context().raw.as_ptr()).ops }
    }
}

impl Drop for SharedReceives {
    fn drop(&mut self) {
        // SAFETY: it was made once; queue pairs that use it hold a reference to `self`, so that none is left.
        if unsafe { ffi::ibv_destroy_srq(self.raw.as_ptr()) } != 0 {
            // The hardware may still write to them: they are given up.
            forget(take(&mut *self.posted()));
        }
    }
}
