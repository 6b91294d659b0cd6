//! A server can send only as what is bound to it.

use super::{Finding, Invariant, Violation};
use crate::nemesis::evidence::Evidence;

pub struct Isolation;

impl Invariant for Isolation {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn means(&self) -> &'static str {
        "frames that a server sends with another server's MAC never reach the LAN, not in the middle of a failover either"
    }

    fn judge(&self, seen: &Evidence) -> Finding {
        let spoofed = &seen.spoofed;
        let (sent, own, foreign) = (spoofed.sent, spoofed.own, spoofed.foreign);
        let violation = Violation::sometime(format!("{foreign} frames with a foreign MAC reached the LAN"));
        let violations = if foreign > 0 { vec![violation] } else { Vec::new() };
        // Where its own frames do not come either, nothing is proved.
        Finding::new(
            format!("{sent} frames of each kind sent; {own} of its own came"),
            own > sent / 2 && sent > 0,
            violations,
        )
    }
}
