//! No two adapters have the same MAC or WWN, and one that was released rests before it is given again.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, UnixMillis};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::params::QUARANTINE_SECONDS;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct UniqueIdentity {
    holders: BTreeMap<u64, AdapterId>,
    /// When, by the state's own clock, each was let go.
    released: BTreeMap<u64, UnixMillis>,
}

impl Invariant for UniqueIdentity {
    fn name(&self) -> &'static str {
        "unique-identity"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        let Observation::Committed { index, state, applied: Some(applied), .. } = observation else { return Ok(()) };
        if applied.events.is_empty() {
            return Ok(());
        }
        let mut holders = BTreeMap::new();
        for profile in state.profiles().values().map(|it| &it.value) {
            let macs = profile.vnics.values().map(|it| (it.mac.to_u64(), it.id));
            let wwns = profile.vhbas.values().flat_map(|it| [(it.wwpn.to_u64(), it.id), (it.wwnn.to_u64(), it.id)]);
            for (identity, holder) in macs.chain(wwns) {
                if let Some(other) = holders.insert(identity, holder) {
                    return Err(format!("at index {index} adapters {other} and {holder} both have {identity:#x}"));
                }
            }
        }
        let now = state.last_at();
        for (identity, holder) in &holders {
            let before = self.holders.get(identity);
            let rested = self.released.get(identity).map(|at| now.saturating_sub(*at));
            if before != Some(holder) && rested.is_some_and(|it| it < QUARANTINE_SECONDS * 1000) {
                return Err(format!("{identity:#x} was given to adapter {holder} {rested:?} ms after it was released"));
            }
        }
        let let_go = self.holders.iter().filter(|(identity, holder)| holders.get(identity) != Some(holder));
        self.released.extend(let_go.map(|(&identity, _)| (identity, now)));
        self.holders = holders;
        Ok(())
    }
}
