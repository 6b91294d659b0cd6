//! TCP connections live through everything, and every octet comes back as it was sent.

use super::{Finding, Invariant, Violation};
use crate::measure::clock::milliseconds;
use crate::nemesis::evidence::Evidence;

pub struct Connections;

impl Invariant for Connections {
    fn name(&self) -> &'static str {
        "connections-live"
    }

    fn means(&self) -> &'static str {
        "the one TCP connection over each network card lives through all faults, and every octet of it is right"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let dead = seen.cards.iter().filter(|it| !it.transfer.lived);
        let violations = dead.map(|it| {
            let error = it.transfer.error.as_deref().unwrap_or("no reason was given");
            Violation::sometime(format!("the connection over {} died: {error}", it.name))
        });
        let octets: u64 = seen.cards.iter().map(|it| it.transfer.verified_bytes).sum();
        let stall = seen.cards.iter().map(|it| it.transfer.longest_stall).max().unwrap_or(0);
        let looked_at = format!("{} MB verified, the longest stall {} ms", octets / 1_000_000, milliseconds(stall));
        Finding::new(looked_at, octets > 0, violations.collect())
    }
}
