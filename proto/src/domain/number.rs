use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A director's number in the Raft group. Never used again after the director was removed.
    DirectorId(u64)
}
number! {
    /// An adapter's number, given when it is created and never used again. It is what rail messages carry.
    AdapterId(u32)
}
number! {
    /// Per adapter, grows with every change of its home or its server. Zero: never had a home.
    Epoch(u64)
}
number! {
    /// The index of the Raft log entry that made a change: one order for the whole cluster.
    Revision(u64)
}

impl Epoch {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
