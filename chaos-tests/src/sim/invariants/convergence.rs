//! The states of directors that have applied the same are the same, to the last bit, and hold what the record promises.

use std::collections::BTreeMap;

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

/// The record's own invariants are checked at every so many-th index.
const VALIDATE_EVERY: u64 = 8;

#[derive(Debug, Default)]
pub struct Convergence {
    hashes: BTreeMap<u64, u64>,
}

impl Convergence {
    fn compare(&mut self, director: u8, index: u64, hash: u64) -> Result<(), String> {
        let known = *self.hashes.entry(index).or_insert(hash);
        if known != hash {
            return Err(format!(
                "at index {index} the state of d{} is another than that of those before it",
                director + 1
            ));
        }
        Ok(())
    }
}

impl Invariant for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::Committed { index, state, .. } if index.is_multiple_of(VALIDATE_EVERY) => {
                state.validate().map_err(|violations| format!("at index {index}: {violations:?}"))
            }
            Observation::Applied { director, index, hash: Some(hash), .. } => self.compare(director, index, hash),
            Observation::Restored { director, index, hash } => self.compare(director, index, hash),
            _ => Ok(()),
        }
    }
}
