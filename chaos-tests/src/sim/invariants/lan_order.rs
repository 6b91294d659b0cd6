//! Nothing of an older epoch takes effect on the LAN after a newer one did.
//!
//! A server is the only source of its adapters' frames, so the newer epoch has taken effect when a frame of its has: until the
//! server follows the new home, the old one may carry (rule 4 waits for no lease). Frames that the server gave to its former
//! home before it switched may be on their way for as long as a frame takes: that much is allowed, and no more. A profile that
//! comes to another server (rule 5) is allowed nothing.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::{MILLI, Nanos};

/// Longer than a frame takes from a server to the LAN.
const UNDER_WAY: Nanos = 2 * MILLI;

#[derive(Debug, Default)]
pub struct LanOrder {
    /// Of each adapter: the newest epoch that a server's frame came with, when first, and whose.
    newest: BTreeMap<AdapterId, (Epoch, Nanos, u8)>,
}

impl Invariant for LanOrder {
    fn name(&self) -> &'static str {
        "lan-order"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        let &Observation::ToLan { director, adapter, epoch, server: Some(server), .. } = observation else {
            return Ok(());
        };
        let newest = self.newest.entry(adapter).or_insert((epoch, at, server));
        if epoch > newest.0 {
            *newest = (epoch, at, server);
        }
        let &mut (newer, since, by) = newest;
        let allowed = if by == server { UNDER_WAY } else { 0 };
        if epoch < newer && at > since + allowed {
            return Err(format!(
                "director d{} let a frame of adapter {adapter} in epoch {epoch} from s{} out, {} us after one of epoch {newer} from s{}",
                director + 1,
                server + 1,
                (at - since) / 1000,
                by + 1
            ));
        }
        Ok(())
    }
}
