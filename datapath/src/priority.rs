//! Who of this machine's threads goes first. Where frames and commands wait for a thread, ordinary programs must not keep it
//! from running; nor those that decide where they go, as a failover or a planned move waits for them.

use twinrail_datapath_sys::set_nice;

/// How a thread stands to ordinary programs, which have the niceness 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Frames and commands pass through it.
    Carrying,
    /// It decides what is carried, and tells others.
    Deciding,
}

impl Priority {
    fn niceness(self) -> i32 {
        match self {
            Self::Carrying => -10,
            Self::Deciding => -5,
        }
    }

    /// For the calling thread, and those that it starts. Without the right to that (CAP_SYS_NICE) it runs as ordinary programs do.
    pub fn take(self) {
        if let Err(error) = set_nice(self.niceness()) {
            tracing::info!(%error, ?self, "a thread runs at ordinary priority");
        }
    }
}
