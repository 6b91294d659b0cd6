use std::sync::Arc;

use twinrail_proto::domain::{AdapterId, Epoch};
use twinrail_proto::rail::RecordHeader;

use crate::Cause;
use crate::counters::AdapterTally;
use crate::driver::FIRST_EDGE;
use crate::edge::{Device, DeviceSpec};
use crate::fast_map::FastMap;
use crate::peer::{Machine, PeerTable};
use crate::recorder::RecordSlot;

/// The table as the threads use it: made by the control plane, never changed, swapped as a whole.
#[derive(Default)]
pub(crate) struct Forwarding {
    pub peers: PeerTable,
    adapters: Vec<Adapter>,
    by_id: FastMap<u32, u32>,
}

#[derive(Clone)]
pub(crate) struct Adapter {
    pub id: AdapterId,
    pub epoch: Epoch,
    /// The director that carries it.
    pub home: Option<u32>,
    pub paused: bool,
    pub spec: DeviceSpec,
    /// None: it could not be made.
    pub device: Option<Arc<dyn Device>>,
    pub tally: Arc<AdapterTally>,
    pub record: Option<RecordSlot>,
}

impl Forwarding {
    pub fn new(peers: PeerTable, adapters: Vec<Adapter>) -> Self {
        let by_id = adapters.iter().zip(0..).map(|(it, index)| (it.id.0, index)).collect();
        Self { peers, adapters, by_id }
    }

    pub fn adapters(&self) -> &[Adapter] {
        &self.adapters
    }

    pub fn find(&self, id: AdapterId) -> Option<&Adapter> {
        self.by_id.get(&id.0).map(|&it| &self.adapters[it as usize])
    }

    pub fn of_token(&self, token: u64) -> Option<&Adapter> {
        let id = u32::try_from(token.checked_sub(FIRST_EDGE)?).ok()?;
        self.find(AdapterId(id))
    }

    /// The adapter that a record from this peer is for, if the peer may deliver to it now.
    pub fn admit(&self, peer: u32, header: &RecordHeader) -> Result<&Adapter, (Option<&Adapter>, Cause)> {
        let adapter = self.find(header.adapter).ok_or((None, Cause::UnknownAdapter))?;
        let refused = |cause| Err((Some(adapter), cause));
        // Older and newer epochs first: after a change of home the former one is refused as stale, whoever it was.
        match header.epoch {
            epoch if epoch < adapter.epoch => refused(Cause::StaleEpoch),
            epoch if epoch > adapter.epoch => refused(Cause::FutureEpoch),
            _ if matches!(self.peers.entry(peer).machine, Machine::Server(_)) || header.ready => {
                refused(Cause::WrongRole)
            }
            _ if adapter.home != Some(peer) => refused(Cause::WrongHome),
            _ => Ok(adapter),
        }
    }
}

impl Adapter {
    /// By what its device's readiness is told from others'.
    pub fn token(&self) -> u64 {
        FIRST_EDGE + u64::from(self.id.0)
    }
}
