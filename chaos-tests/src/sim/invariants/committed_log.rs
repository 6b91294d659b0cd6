//! Every director applies the same entry at the same index, also one that was away; and a term has one leader.

use std::collections::BTreeMap;

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct CommittedLog {
    entries: BTreeMap<u64, (u64, u8)>,
    leaders: BTreeMap<u64, u8>,
}

impl Invariant for CommittedLog {
    fn name(&self) -> &'static str {
        "committed-log"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::Applied { director, index, entry, .. } => {
                let (known, first) = *self.entries.entry(index).or_insert((entry, director));
                if known != entry {
                    let (first, director) = (first + 1, director + 1);
                    return Err(format!("at index {index} d{first} applied another entry than d{director}"));
                }
            }
            Observation::Elected { director, term } => {
                let first = *self.leaders.entry(term).or_insert(director);
                if first != director {
                    return Err(format!("term {term} has two leaders: d{} and d{}", first + 1, director + 1));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
