//! A server sends only as the adapters that are bound to it, with their addresses; and receives nothing of others.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct Isolation {
    macs: BTreeMap<AdapterId, u64>,
    /// By the committed record, in each epoch.
    servers: BTreeMap<(AdapterId, Epoch), String>,
}

impl Isolation {
    fn check(&self, server: u8, adapter: AdapterId, epoch: Epoch, mac: Option<u64>) -> Result<(), String> {
        let name = format!("s{}", server + 1);
        let bound = self.servers.get(&(adapter, epoch));
        if bound.is_some_and(|it| *it != name) {
            return Err(format!("adapter {adapter} is of {bound:?} in epoch {epoch}, and {name} used it"));
        }
        let own = self.macs.get(&adapter).copied();
        if let (Some(mac), Some(own)) = (mac, own)
            && mac != own
        {
            return Err(format!("{name} used {mac:#x} as adapter {adapter}, which has {own:#x}"));
        }
        Ok(())
    }
}

impl Invariant for Isolation {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::Committed { state, applied: Some(applied), .. } if !applied.events.is_empty() => {
                for profile in state.profiles().values().map(|it| &it.value) {
                    self.macs.extend(profile.vnics.values().map(|it| (it.id, it.mac.to_u64())));
                    let Some(binding) = &profile.binding else { continue };
                    for adapter in profile.adapters().filter(|it| it.home.director.is_some()) {
                        let key = (adapter.id, adapter.home.epoch);
                        self.servers.entry(key).or_insert_with(|| binding.server.to_string());
                    }
                }
                Ok(())
            }
            Observation::ToLan { adapter, epoch, mac, server: Some(server), .. } => {
                self.check(server, adapter, epoch, Some(mac))
            }
            Observation::ToDevice { server, adapter, epoch, mac } => self.check(server, adapter, epoch, Some(mac)),
            Observation::Executed { adapter, epoch, server, .. } => self.check(server, adapter, epoch, None),
            _ => Ok(()),
        }
    }
}
