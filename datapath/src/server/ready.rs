//! When a server says that it is ready for an adapter's epoch. The home lets frames wait until it has heard that.
//!
//! Said at every tick for a while after the epoch or the home changed and after the home was found again, because the home
//! may learn of the epoch later than the server; and now and then at other times, because a home may have restarted.

use twinrail_proto::domain::AdapterId;

use super::forwarding::Forwarding;
use crate::fast_map::FastMap;
use crate::rail::Nanos;

/// For so long it is said at every tick: longer than a home announces the adapter, which it does only while it hears this.
const INSISTENCE: Nanos = 3_000_000_000;
/// Ticks between two at other times: with 256 adapters and a tick of 10 ms about two a tick.
const SELDOM: u64 = 100;

/// What was known of the adapters, and when to say it.
#[derive(Default)]
pub(super) struct Ready {
    ticks: u64,
    adapters: FastMap<u32, Known>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    epoch: u64,
    home: Option<u32>,
    reachable: bool,
    insist_until: Nanos,
}

impl Ready {
    /// The adapters to speak for at this tick.
    pub fn tick(&mut self, table: &Forwarding, now: Nanos, mut say: impl FnMut(AdapterId)) {
        self.ticks += 1;
        let mut adapters = FastMap::default();
        for (adapter, number) in table.adapters().iter().zip(0u64..) {
            let reachable = adapter.home.is_some_and(|it| table.peers.entry(it).is_reachable());
            let insist_until = now + INSISTENCE;
            let mut known = Known { epoch: adapter.epoch.0, home: adapter.home, reachable, insist_until };
            if let Some(before) = self.adapters.get(&adapter.id.0)
                && (Known { insist_until, ..*before }) == known
            {
                known.insist_until = before.insist_until;
            }
            let seldom = (self.ticks + number).is_multiple_of(SELDOM);
            if reachable && adapter.device.is_some() && (now < known.insist_until || seldom) {
                say(adapter.id);
            }
            adapters.insert(adapter.id.0, known);
        }
        self.adapters = adapters;
    }
}
