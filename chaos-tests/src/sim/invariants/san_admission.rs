//! A home lets commands pass only if it was still the home when its login had been answered: so that a former home, whose login
//! ended the session of the present one, does no harm with its own.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct SanAdmission {
    /// The newest epoch in the record, of each vHBA.
    committed: BTreeMap<AdapterId, Epoch>,
    /// What it was when each session's login was answered.
    at_login: BTreeMap<(u8, AdapterId, u64), Epoch>,
}

impl Invariant for SanAdmission {
    fn name(&self) -> &'static str {
        "san-admission"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::Committed { state, applied: Some(applied), .. } if !applied.events.is_empty() => {
                let vhbas = state.profiles().values().flat_map(|it| it.value.vhbas.values());
                self.committed.extend(vhbas.map(|it| (it.id, it.home.epoch)));
            }
            Observation::LoggedIn { director, adapter, session } => {
                let newest = self.committed.get(&adapter).copied().unwrap_or_default();
                self.at_login.insert((director, adapter, session), newest);
            }
            Observation::Admitted { director, adapter, epoch, session } => {
                let newest = self.at_login.get(&(director, adapter, session)).copied().unwrap_or_default();
                if epoch < newest {
                    let director = director + 1;
                    return Err(format!(
                        "d{director} lets commands of vHBA {adapter} pass in epoch {epoch}; {newest} was committed before its login"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
