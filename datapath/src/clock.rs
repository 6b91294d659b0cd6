use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::rail::Nanos;

/// The time as the engines see it: the machine's monotonic clock, or one that a simulation sets.
#[derive(Clone, Debug)]
pub enum Clock {
    Monotonic,
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    pub fn now(&self) -> Nanos {
        match self {
            Self::Monotonic => twinrail_datapath_sys::monotonic_ns(),
            Self::Virtual(time) => time.load(Ordering::Relaxed),
        }
    }
}
