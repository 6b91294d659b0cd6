use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use super::check_object;
use super::context::Context;

/// A protection domain: queue pairs reach only memory that is registered in their own.
#[derive(Debug)]
pub struct Domain {
    pub(super) raw: NonNull<ffi::ibv_pd>,
    context: Arc<Context>,
}

// SAFETY: verbs may be called by any thread, and by several at once.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

impl Domain {
    pub fn new(context: &Arc<Context>) -> io::Result<Arc<Self>> {
        // SAFETY: the device is open.
        let raw = check_object(unsafe { ffi::ibv_alloc_pd(context.raw.as_ptr()) })?;
        Ok(Arc::new(Self { raw, context: Arc::clone(context) }))
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: it was made once; whatever was made in it holds a reference to `self`, so that nothing is left.
        unsafe { ffi::ibv_dealloc_pd(self.raw.as_ptr()) };
    }
}
