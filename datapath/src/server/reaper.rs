//! The end of devices. The kernel takes tens of milliseconds to remove one, and nobody should wait for that: by then no
//! table names the device, and no frame passes it. Only a new device waits, because it may have the same name.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};

use super::forwarding::Forwarding;

#[derive(Default)]
pub(super) struct Reaper {
    busy: Mutex<Option<JoinHandle<()>>>,
}

impl Reaper {
    /// Ends the devices that only this table had, beside the caller's work.
    pub fn bury(&self, former: Arc<Forwarding>) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let before = busy.take();
        *busy = Some(spawn(move || {
            finish(before);
            drop(former);
        }));
    }

    /// Returns when all that was buried is gone.
    pub fn wait(&self) {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner).take();
        finish(busy);
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.wait();
    }
}

fn finish(burial: Option<JoinHandle<()>>) {
    if let Some(burial) = burial
        && burial.join().is_err()
    {
        tracing::error!("removing a device panicked");
    }
}
