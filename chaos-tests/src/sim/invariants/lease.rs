//! A lease is held by those alone who were granted it: a director acts only within a lease's time from when it asked; a
//! leader grants only what was asked for before a newer leader was elected; and who is said to hold none any more does not.

use std::collections::BTreeMap;

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

/// Of a time on one clock seen on another.
const ROUNDING: Nanos = 100;

#[derive(Debug, Default)]
pub struct Lease {
    asked: BTreeMap<(u8, u64), (Nanos, Nanos)>,
    /// Until when each director may act at most, by what was granted.
    until: BTreeMap<u8, Nanos>,
    /// (term, when) of the newest leader.
    elected: (u64, Nanos),
}

impl Invariant for Lease {
    fn name(&self) -> &'static str {
        "lease"
    }

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::Elected { term, .. } if term > self.elected.0 => self.elected = (term, at),
            Observation::Started { director } => {
                self.asked.retain(|(it, _), _| *it != director);
                self.until.remove(&director);
            }
            Observation::LeaseAsked { director, sequence, lease_ns } => {
                self.asked.insert((director, sequence), (at, at + lease_ns));
                self.asked.retain(|_, (asked, _)| at < *asked + 5_000_000_000);
            }
            Observation::LeaseGranted { leader, term, director, sequence } => {
                let Some(&(asked, until)) = self.asked.get(&(director, sequence)) else { return Ok(()) };
                let (newest, since) = self.elected;
                if term < newest && asked > since {
                    let (leader, director) = (leader + 1, director + 1);
                    return Err(format!(
                        "d{leader}, leader of term {term}, granted d{director} what it asked for after term {newest} had a leader"
                    ));
                }
                let known = self.until.entry(director).or_insert(until);
                *known = until.max(*known);
            }
            Observation::Acted { director } => {
                let until = self.until.get(&director).copied().unwrap_or_default();
                if at > until {
                    return Err(format!(
                        "d{} acted {} us after its lease had ended",
                        director + 1,
                        (at - until) / 1000
                    ));
                }
            }
            Observation::LeaseHeld { director, until } => {
                let granted = self.until.get(&director).copied().unwrap_or_default();
                if until > granted + ROUNDING {
                    let longer = (until - granted) / 1000;
                    return Err(format!("d{} takes its lease to be {longer} us longer than it is", director + 1));
                }
            }
            Observation::LeaseEnded { term, director } if term == self.elected.0 => {
                let until = self.until.get(&director).copied().unwrap_or_default();
                if at < until {
                    return Err(format!(
                        "d{} was said to hold no lease, {} us too early",
                        director + 1,
                        (until - at) / 1000
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
