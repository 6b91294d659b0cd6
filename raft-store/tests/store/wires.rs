//! The network of a Raft group in one process: calls go straight to the other member, as long as it is plugged in. An
//! answer that comes after either side was unplugged is lost: nobody hears from a member whose power is gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use parking_lot::Mutex;
use twinrail_raft_store::raft::{Peer, Raft, Snapshot, TypeConfig, Vote};

#[derive(Clone, Default)]
pub struct Wires {
    plugged: Arc<Mutex<Plugged>>,
}

#[derive(Default)]
struct Plugged {
    members: BTreeMap<u64, (Start, Raft)>,
    starts: u64,
}

/// Counts how often members were plugged in: one that came back is not the one that went.
type Start = u64;

impl Wires {
    pub fn plug(&self, id: u64, raft: Raft) {
        let mut plugged = self.plugged.lock();
        plugged.starts += 1;
        let start = plugged.starts;
        plugged.members.insert(id, (start, raft));
    }

    pub fn unplug(&self, id: u64) {
        self.plugged.lock().members.remove(&id);
    }

    /// The members at both ends, as they are now.
    fn ends(&self, from: u64, target: u64) -> Option<((Start, Start), Raft)> {
        let plugged = self.plugged.lock();
        let (from, _) = plugged.members.get(&from)?;
        let (target, raft) = plugged.members.get(&target)?;
        Some(((*from, *target), raft.clone()))
    }
}

/// To one member, from a certain other one: both must be plugged in.
pub struct Wire {
    wires: Wires,
    from: u64,
    target: u64,
}

/// The factory of one member.
pub struct Plug {
    pub wires: Wires,
    pub id: u64,
}

impl RaftNetworkFactory<TypeConfig> for Plug {
    type Network = Wire;

    async fn new_client(&mut self, target: u64, _: &Peer) -> Wire {
        Wire { wires: self.wires.clone(), from: self.id, target }
    }
}

impl Wire {
    async fn call<T, E, F>(&self, request: impl FnOnce(Raft) -> F) -> Result<T, Unreachable<TypeConfig>>
    where
        E: std::error::Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let gone = || Unreachable::from_string(format!("member {} is unplugged", self.target));
        let (starts, raft) = self.wires.ends(self.from, self.target).ok_or_else(gone)?;
        let answer = request(raft).await;
        match self.wires.ends(self.from, self.target) {
            Some((same, _)) if same == starts => answer.map_err(|error| Unreachable::new(&error)),
            _ => Err(gone()),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Wire {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Ok(self.call(|peer| async move { peer.append_entries(request).await }).await?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Ok(self.call(|peer| async move { peer.vote(request).await }).await?)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Ok(self.call(|peer| async move { peer.pre_vote(request).await }).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        _: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Ok(self.call(|peer| async move { peer.install_full_snapshot(vote, snapshot).await }).await?)
    }
}
