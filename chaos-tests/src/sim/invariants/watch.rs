//! A watch shows every revision that changed something, in order, without a gap, over whatever directors it goes on.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct Watch {
    changed: BTreeSet<u64>,
}

impl Invariant for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::Committed { index, applied: Some(applied), .. } => {
                if !applied.replayed && !applied.events.is_empty() {
                    self.changed.insert(*index);
                }
                Ok(())
            }
            Observation::Watched { client, after, revisions, upto } => {
                let expected: Vec<u64> = self.changed.range((Excluded(after.0), Included(upto.0))).copied().collect();
                if expected == *revisions {
                    return Ok(());
                }
                Err(format!(
                    "client {client} was shown {revisions:?} for what is after {after} up to {upto}: {expected:?}"
                ))
            }
            _ => Ok(()),
        }
    }
}
