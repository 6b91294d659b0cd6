//! What must hold in every world, one to a file. Each sees everything that is observed, and says when it does not hold.

mod acknowledged_blocks;
mod acknowledged_calls;
mod announcements;
mod committed_log;
mod convergence;
mod epochs;
mod isolation;
mod lan_order;
mod lease;
mod linearizable;
mod one_home;
mod san_admission;
mod san_order;
mod server_order;
mod unique_identity;
mod watch;

use super::observation::Observation;
use super::queue::Nanos;

/// That everything serves again after faults have ended, and that a failover ends in time: asked by the run, not observed.
pub const SERVES: &str = "serves";
pub const FAILOVER_BOUND: &str = "failover-bound";

pub trait Invariant {
    /// As its file is called.
    fn name(&self) -> &'static str;

    fn observe(&mut self, at: Nanos, observation: &Observation<'_>) -> Result<(), String>;

    /// The run is over: what can only be said then.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// How often it saw what its file says to be tolerated.
    fn tolerated(&self) -> u64 {
        0
    }
}

pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<unique_identity::UniqueIdentity>::default(),
        Box::<one_home::OneHome>::default(),
        Box::<epochs::Epochs>::default(),
        Box::<lan_order::LanOrder>::default(),
        Box::<server_order::ServerOrder>::default(),
        Box::<announcements::Announcements>::default(),
        Box::<san_order::SanOrder>::default(),
        Box::<san_admission::SanAdmission>::default(),
        Box::<acknowledged_calls::AcknowledgedCalls>::default(),
        Box::<linearizable::Linearizable>::default(),
        Box::<acknowledged_blocks::AcknowledgedBlocks>::default(),
        Box::<isolation::Isolation>::default(),
        Box::<lease::Lease>::default(),
        Box::<committed_log::CommittedLog>::default(),
        Box::<convergence::Convergence>::default(),
        Box::<watch::Watch>::default(),
    ]
}

/// The name of an invariant, if there is one.
pub fn by_name(name: &str) -> Result<&'static str, String> {
    let names: Vec<&'static str> = all().iter().map(|it| it.name()).chain([SERVES, FAILOVER_BOUND]).collect();
    let found = names.iter().find(|it| **it == name).copied();
    found.ok_or_else(|| format!("there is no invariant '{name}'; there are: {}", names.join(", ")))
}
