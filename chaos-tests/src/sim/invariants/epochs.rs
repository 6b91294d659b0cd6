//! The epoch of an adapter never goes back: in the record, at a director, at a server.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct Epochs {
    committed: BTreeMap<AdapterId, Epoch>,
    followed: BTreeMap<(u8, AdapterId), Epoch>,
    carried: BTreeMap<(u8, AdapterId), Epoch>,
}

fn grow<K: Ord>(
    known: &mut BTreeMap<K, Epoch>,
    key: K,
    epoch: Epoch,
    where_: impl Fn() -> String,
) -> Result<(), String> {
    let newest = known.entry(key).or_insert(epoch);
    if epoch < *newest {
        return Err(format!("{}: epoch {epoch} after {newest}", where_()));
    }
    *newest = epoch;
    Ok(())
}

impl Invariant for Epochs {
    fn name(&self) -> &'static str {
        "epochs"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::Committed { index, state, applied: Some(applied), .. } if !applied.events.is_empty() => {
                for adapter in state.profiles().values().flat_map(|it| it.value.adapters()) {
                    let place = || format!("at index {index} adapter {}", adapter.id);
                    grow(&mut self.committed, adapter.id, adapter.home.epoch, place)?;
                }
                Ok(())
            }
            Observation::AgentStarted { server, epochs } => {
                self.followed.retain(|(it, _), _| it != server);
                self.followed.extend(epochs.iter().map(|(adapter, epoch)| ((*server, *adapter), *epoch)));
                Ok(())
            }
            &Observation::Follows { server, adapter, epoch } => {
                let place = || format!("server s{} follows adapter {adapter}", server + 1);
                grow(&mut self.followed, (server, adapter), epoch, place)
            }
            Observation::Started { director } => {
                self.carried.retain(|(it, _), _| it != director);
                Ok(())
            }
            &Observation::TableCarries { director, adapter, epoch, .. } => {
                let place = || format!("director d{} carries adapter {adapter}", director + 1);
                grow(&mut self.carried, (director, adapter), epoch, place)
            }
            _ => Ok(()),
        }
    }
}
