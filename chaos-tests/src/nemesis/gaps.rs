//! How long a client waited, without the time in which the client itself was not given the machine. Pure.

use crate::measure::clock::Nanos;
use crate::measure::report::ProbeEvent;

/// No answer came between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Nanos,
    pub to: Nanos,
    /// Of that time, what the prober itself did not run.
    pub own: Nanos,
}

impl Gap {
    /// What is not the prober's own.
    pub fn length(&self) -> Nanos {
        (self.to - self.from).saturating_sub(self.own)
    }

    pub fn overlaps(&self, from: Nanos, to: Nanos) -> bool {
        self.from < to && self.to > from
    }
}

/// The gaps that a prober told.
pub fn of_prober(events: &[ProbeEvent]) -> Vec<Gap> {
    let stalls: Vec<(Nanos, Nanos)> = events
        .iter()
        .filter_map(|event| match event {
            ProbeEvent::OwnStall { from, to } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    let gap = |event: &ProbeEvent| match event {
        ProbeEvent::Gap { from, to } => {
            let own = stalls.iter().map(|stall| stall.1.min(*to).saturating_sub(stall.0.max(*from))).sum();
            Some(Gap { from: *from, to: *to, own })
        }
        _ => None,
    };
    events.iter().filter_map(gap).collect()
}

/// The longest that overlaps a stretch of time; 0: none was long enough to be told.
pub fn longest(gaps: &[Gap], from: Nanos, to: Nanos) -> Nanos {
    gaps.iter().filter(|it| it.overlaps(from, to)).map(Gap::length).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probers_own_stalls_are_not_the_networks() {
        let events = [
            ProbeEvent::Gap { from: 100, to: 200 },
            ProbeEvent::OwnStall { from: 90, to: 110 },
            ProbeEvent::OwnStall { from: 150, to: 170 },
            ProbeEvent::Gap { from: 300, to: 340 },
        ];
        let gaps = of_prober(&events);
        assert_eq!(gaps.iter().map(Gap::length).collect::<Vec<_>>(), [70, 40]);
        assert_eq!((longest(&gaps, 0, 1_000), longest(&gaps, 250, 320), longest(&gaps, 200, 300)), (70, 40, 0));
    }
}
