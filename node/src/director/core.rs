//! What every part of a director shares: handles, no logic.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use twinrail_datapath::DirectorDatapath;
use twinrail_proto::domain::{Name, Revision, UnixMillis};
use twinrail_raft_store::raft::Raft;
use twinrail_raft_store::store::{Counters, StateView};

use super::agents::AgentHub;
use super::carriage::Carriage;
use super::forward::Lines;
use super::lease::LeaseBook;
use super::liveness::Liveness;
use super::members::Members;
use super::releases::ReleaseBook;
use super::uplinks::UplinkBook;
use super::vhba::Vhbas;
use crate::config::DirectorConfig;
use crate::link::{Identity, Links};

pub type SharedCore = Arc<Core>;

pub struct Core {
    pub config: DirectorConfig,
    pub own: Name,
    pub own_id: u64,
    pub store_id: String,
    pub raft: Raft,
    pub state: StateView,
    pub store: Arc<Counters>,
    pub identity: Identity,
    pub members: Members,
    pub links: Links,
    /// To the leaders that this director asks.
    pub lines: Lines,
    pub datapath: Arc<DirectorDatapath>,
    /// The vHBAs of which this director is the home.
    pub vhbas: Vhbas,
    /// Which directors and servers are lost.
    pub liveness: Liveness,
    /// What this director carries, and as of which revision.
    pub carriage: Carriage,
    pub leases: LeaseBook,
    pub releases: ReleaseBook,
    pub agents: AgentHub,
    pub uplinks: UplinkBook,
    /// Wakes the reconciler.
    pub work: watch::Sender<()>,
}

impl Core {
    /// Who leads, as far as this director knows.
    pub fn leader(&self) -> Option<Name> {
        let id = self.raft.server_metrics().borrow_watched().current_leader?;
        self.members.name_of(id)
    }

    pub fn leads(&self) -> bool {
        self.raft.is_leader()
    }

    /// Before this the list of directors is not whole, and nobody is served.
    pub fn founded(&self) -> bool {
        self.state.read().cluster().is_some()
    }

    /// Returns when this director has applied the revision.
    pub async fn applied(&self, revision: Revision) {
        let mut applied = self.state.applied();
        // The sender lives as long as the state view, which this director holds.
        let _ = applied.wait_for(|&it| it >= revision).await;
    }

    /// Something changed that the leader may have to act upon.
    pub fn wake_reconciler(&self) {
        self.work.send_replace(());
    }
}

pub fn unix_millis() -> UnixMillis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
