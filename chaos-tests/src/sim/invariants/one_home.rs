//! For each adapter and epoch there is exactly one home, and one server: in the record, and in every director's table.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch, Name};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct OneHome {
    committed: BTreeMap<(AdapterId, Epoch), (Option<Name>, Option<Name>)>,
    carried: BTreeMap<(AdapterId, Epoch), (u8, u8)>,
}

impl Invariant for OneHome {
    fn name(&self) -> &'static str {
        "one-home"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match observation {
            Observation::Committed { state, applied: Some(applied), .. } if !applied.events.is_empty() => {
                for profile in state.profiles().values().map(|it| &it.value) {
                    let server = profile.binding.as_ref().map(|it| it.server.clone());
                    for adapter in profile.adapters() {
                        let now = (adapter.home.director.clone(), server.clone());
                        let key = (adapter.id, adapter.home.epoch);
                        let known = self.committed.entry(key).or_insert_with(|| now.clone());
                        // A profile that is not bound has no home; its epoch stays until it is bound again.
                        if known.0.is_some() && now.0.is_some() && *known != now {
                            return Err(format!("adapter {} in epoch {}: {known:?} and {now:?}", key.0, key.1));
                        }
                    }
                }
                Ok(())
            }
            &Observation::TableCarries { director, adapter, epoch, server } => {
                let known = *self.carried.entry((adapter, epoch)).or_insert((director, server));
                if known == (director, server) {
                    return Ok(());
                }
                let (home, of) = known;
                Err(format!(
                    "adapter {adapter} in epoch {epoch} is carried by d{} for s{} and by d{} for s{}",
                    home + 1,
                    of + 1,
                    director + 1,
                    server + 1
                ))
            }
            _ => Ok(()),
        }
    }
}
