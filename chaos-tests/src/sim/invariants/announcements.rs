//! An announcement of an older epoch does not come after the server was heard on the LAN in a newer one.
//!
//! Tolerated, and counted: what a former home announces while it may not know yet that its server follows another one, as
//! after a cut of its rails. What follows from the new home, whose announcements go on for longer, takes the LAN back.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::{MILLI, Nanos};

/// Longer than a frame takes from a server to the LAN.
const UNDER_WAY: Nanos = 2 * MILLI;
/// For so long a home may take a server for its own that follows another one: 30 ms from when it was heard last (`Pace`), and
/// the time that this was under way, which faults make longer.
const UNHEARD: Nanos = 60 * MILLI;

#[derive(Debug, Default)]
pub struct Announcements {
    newest: BTreeMap<AdapterId, (Epoch, Nanos)>,
    tolerated: u64,
}

impl Invariant for Announcements {
    fn name(&self) -> &'static str {
        "announcements"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        let &Observation::ToLan { director, adapter, epoch, server, .. } = observation else { return Ok(()) };
        let newest = self.newest.entry(adapter).or_default();
        if server.is_some() {
            if epoch > newest.0 {
                *newest = (epoch, at);
            }
            return Ok(());
        }
        let (newer, since) = *newest;
        if epoch >= newer || at <= since + UNDER_WAY {
            return Ok(());
        }
        self.tolerated += 1;
        if at <= since + UNHEARD {
            return Ok(());
        }
        let (director, late) = (director + 1, (at - since) / MILLI);
        Err(format!(
            "d{director} announced adapter {adapter} in epoch {epoch}, {late} ms after epoch {newer} was heard"
        ))
    }

    fn tolerated(&self) -> u64 {
        self.tolerated
    }
}
