//! An announcement of an older epoch does not come after the server was heard on the LAN in a newer one.
//!
//! Tolerated, and counted: a former home that hears no director goes on with its schedule of announcements for as long as its
//! lease lives. Until the server or the new home is heard again the LAN then sends the adapter's frames to the former home, whose
//! frames the server refuses.

use std::collections::BTreeMap;

use twinrail_failover::lease::{LEASE, grantor_wait};
use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::{MILLI, Nanos};

/// Longer than a frame takes from a server to the LAN.
const UNDER_WAY: Nanos = 2 * MILLI;

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
        if at <= since + grantor_wait(LEASE).as_nanos() as Nanos {
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
