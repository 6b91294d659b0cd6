//! Nothing of an older epoch takes effect after a newer one did: frames on the LAN and to servers here, on the SAN by the block checker.

use super::{Finding, Invariant, Violation};
use crate::lab::flight;
use crate::nemesis::evidence::Evidence;

pub struct OldEpochs;

impl Invariant for OldEpochs {
    fn name(&self) -> &'static str {
        "no-old-epoch"
    }

    fn means(&self) -> &'static str {
        "no frame of an older epoch reaches the LAN or a server after one of a newer epoch did (for the disk: acknowledged-blocks)"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let records: Vec<_> = seen.flights.values().flatten().copied().collect();
        let (report, late) = flight::examine(&records);
        let looked_at = format!("{} frames, {} successions of epochs", report.frames, report.successions);
        Finding::new(looked_at, report.successions > 0, late.into_iter().map(Violation::sometime).collect())
    }
}
