//! Nothing of an older epoch goes into a server's device after the server has followed a newer one.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct ServerOrder {
    follows: BTreeMap<(u8, AdapterId), Epoch>,
}

impl Invariant for ServerOrder {
    fn name(&self) -> &'static str {
        "server-order"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        match *observation {
            Observation::AgentStarted { server, .. } => self.follows.retain(|(it, _), _| *it != server),
            Observation::Follows { server, adapter, epoch } => {
                self.follows.insert((server, adapter), epoch);
            }
            Observation::ToDevice { server, adapter, epoch, .. } => {
                let follows = self.follows.get(&(server, adapter)).copied().unwrap_or_default();
                if epoch < follows {
                    let server = server + 1;
                    return Err(format!(
                        "s{server} took a frame of adapter {adapter} in epoch {epoch}, and follows {follows}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
