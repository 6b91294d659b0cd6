//! Nothing of an older epoch, or of an older login, is done by the array after something of a newer one was.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, Epoch};

use super::Invariant;
use crate::sim::observation::Observation;
use crate::sim::queue::Nanos;

#[derive(Debug, Default)]
pub struct SanOrder {
    newest: BTreeMap<AdapterId, (Epoch, u64)>,
}

impl Invariant for SanOrder {
    fn name(&self) -> &'static str {
        "san-order"
    }

    fn observe(&mut self, _: Nanos, observation: &Observation<'_>) -> Result<(), String> {
        let &Observation::Executed { adapter, epoch, login, .. } = observation else { return Ok(()) };
        let newest = self.newest.entry(adapter).or_insert((epoch, login));
        if epoch < newest.0 || login < newest.1 {
            let (newer, later) = *newest;
            return Err(format!(
                "a command of vHBA {adapter} in epoch {epoch}, login {login}, was done after one in epoch {newer}, login {later}"
            ));
        }
        *newest = (epoch, login);
        Ok(())
    }
}
