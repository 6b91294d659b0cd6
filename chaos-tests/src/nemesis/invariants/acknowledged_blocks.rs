//! Writes to the disk that were acknowledged are there, and none that was overtaken comes back.

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

/// Told one by one.
const TOLD: usize = 20;

pub struct AcknowledgedBlocks;

impl Invariant for AcknowledgedBlocks {
    fn name(&self) -> &'static str {
        "acknowledged-blocks"
    }

    fn means(&self) -> &'static str {
        "a block of the disk holds its last acknowledged write, beside an array some of whose writes are slow; no stale write lands, \
         and no command fails"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let tally = &seen.blocks;
        let mut violations: Vec<Violation> =
            tally.violations.iter().take(TOLD).map(|(at, it)| Violation::at(*at, format!("{it:?}"))).collect();
        let more = tally.violations.len().saturating_sub(TOLD);
        if more > 0 {
            violations.push(Violation::sometime(format!("and {more} more")));
        }
        if tally.errors > 0 {
            violations.push(Violation::sometime(format!("{} commands ended with an error", tally.errors)));
        }
        let looked_at = format!("{} writes, {} reads", tally.writes, tally.reads);
        Finding::new(looked_at, tally.writes > 0 && tally.reads > 0, violations)
    }
}
