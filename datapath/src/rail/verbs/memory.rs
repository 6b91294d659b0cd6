use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use twinrail_datapath_sys::Buffer;
use twinrail_datapath_sys::verbs::{Domain, Region};

/// Which memory the rail's hardware knows: that of its own receives from the start, that of a thread's arena from its first
/// message on. Buffers wander between the arenas and the receives of both rails, so that each of these rails comes to know
/// all of it: a handful of regions.
#[derive(Clone)]
pub(super) struct Regions {
    domain: Arc<Domain>,
    all: Arc<Mutex<Vec<Arc<Region>>>>,
    /// Those that this thread has met.
    met: Vec<Arc<Region>>,
}

impl Regions {
    pub fn new(domain: &Arc<Domain>) -> Self {
        Self { domain: Arc::clone(domain), all: Arc::default(), met: Vec::new() }
    }

    /// The region of a buffer. Memory that was not met before is registered, which takes milliseconds, once.
    pub fn of(&mut self, buffer: &Buffer) -> io::Result<&Region> {
        let pages = buffer.pages().ok_or(io::ErrorKind::InvalidInput)?;
        let is_of = |it: &Arc<Region>| Arc::ptr_eq(it.pages(), pages);
        if let Some(at) = self.met.iter().position(is_of) {
            return Ok(&self.met[at]);
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let region = match all.iter().find(|it| is_of(it)) {
            Some(region) => Arc::clone(region),
            None => {
                let region = Region::new(&self.domain, pages)?;
                all.push(Arc::clone(&region));
                region
            }
        };
        drop(all);
        self.met.push(region);
        Ok(self.met.last().expect("it was just put there"))
    }
}
