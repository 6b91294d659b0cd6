use std::future::Future;
use std::time::Duration;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::transport::Channel;
use twinrail_proto::domain::Name;
use twinrail_proto::grpc::internal::v1::Payload;
use twinrail_proto::grpc::internal::v1::raft_service_client::RaftServiceClient;
use twinrail_raft_store::raft::{Peer, Snapshot, TypeConfig, Vote};
use twinrail_raft_store::store::StateView;

use super::codec::{decode, encode};
use super::service::{MAX_MESSAGE, SNAPSHOT_PIECE, SnapshotHeader};
use crate::director::members::Members;
use crate::link::{Identity, LinkError, Links, STORE_KEY};

/// The shortest time that an append may take: the disk of a follower stalls for up to 50 ms now and then, and an append
/// that is given up is sent again.
const APPEND_TIMEOUT: Duration = Duration::from_millis(500);
/// A snapshot of the largest state allowed, over a loaded rail.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes openraft's connections to other directors.
#[derive(Clone)]
pub struct Network {
    pub own: u64,
    pub links: Links,
    pub identity: Identity,
    pub members: Members,
    pub state: StateView,
}

/// The connection to one director.
pub struct Connection {
    target: u64,
    network: Network,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, _node: &Peer) -> Connection {
        Connection { target, network: self.clone() }
    }
}

impl Connection {
    fn peer(&self) -> Result<Name, RPCError<TypeConfig>> {
        let unknown = || Unreachable::from_string(format!("no director has the id {}", self.target)).into();
        self.network.members.name_of(self.target).ok_or_else(unknown)
    }

    async fn unary<T, R, F, Fut>(
        &self,
        kind: RPCTypes,
        timeout: Duration,
        message: &T,
        call: F,
    ) -> Result<R, RPCError<TypeConfig>>
    where
        T: Serialize,
        R: DeserializeOwned,
        F: Fn(RaftServiceClient<Channel>, tonic::Request<Payload>) -> Fut,
        Fut: Future<Output = Result<tonic::Response<Payload>, tonic::Status>>,
    {
        let peer = self.peer()?;
        let payload = encode("a Raft request", message).map_err(|error| unreachable(&error))?;
        let answer = self
            .network
            .links
            .call(&peer, timeout, |channel| call(client(channel), self.network.identity.request(payload.clone())))
            .await
            .map_err(|error| self.rpc_error(kind, error))?;
        self.check_store(&peer, &answer)?;
        decode("a Raft answer", answer.get_ref()).map_err(|error| unreachable(&error))
    }

    /// An answer of a machine whose store is not the one that claimed the director's id counts for nothing.
    fn check_store(&self, peer: &Name, answer: &tonic::Response<Payload>) -> Result<(), RPCError<TypeConfig>> {
        let state = self.network.state.read();
        let claimed = state.directors().get(peer).and_then(|it| it.value.store_id.as_deref());
        let answering = answer.metadata().get(STORE_KEY).and_then(|value| value.to_str().ok());
        if claimed.is_none() || claimed == answering {
            return Ok(());
        }
        let problem = format!("director {peer} answers with the store {answering:?}, and {claimed:?} claimed its id");
        tracing::warn!(%peer, problem, "not counted");
        Err(RPCError::Unreachable(Unreachable::from_string(problem)))
    }

    fn rpc_error(&self, action: RPCTypes, error: LinkError) -> RPCError<TypeConfig> {
        match error {
            LinkError::Timeout { after, .. } => {
                RPCError::Timeout(Timeout { action, id: self.network.own, target: self.target, timeout: after })
            }
            error => unreachable(&error),
        }
    }
}

fn unreachable(error: &(impl std::error::Error + 'static)) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(error))
}

fn client(channel: Channel) -> RaftServiceClient<Channel> {
    RaftServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = option.soft_ttl().max(APPEND_TIMEOUT);
        self.unary(RPCTypes::AppendEntries, timeout, &rpc, |mut client, request| async move {
            client.append_entries(request).await
        })
        .await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.unary(
            RPCTypes::Vote,
            option.soft_ttl(),
            &rpc,
            |mut client, request| async move { client.vote(request).await },
        )
        .await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.unary(RPCTypes::Vote, option.soft_ttl(), &rpc, |mut client, request| async move {
            client.pre_vote(request).await
        })
        .await
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.unary(RPCTypes::TransferLeader, option.soft_ttl(), &rpc, |mut client, request| async move {
            client.transfer_leader(request).await
        })
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let peer = self.peer()?;
        let header = encode("a snapshot header", &SnapshotHeader { vote, meta: snapshot.meta })
            .map_err(|error| unreachable(&error))?;
        let data = snapshot.snapshot;
        let pieces = data.chunks(SNAPSHOT_PIECE).map(|piece| Payload { data: piece.to_vec() });
        let messages: Vec<Payload> = std::iter::once(header).chain(pieces).collect();
        let links = self.network.links.clone();
        let send = links.call(&peer, SNAPSHOT_TIMEOUT, |channel| {
            let request = self.network.identity.request(tokio_stream::iter(messages.clone()));
            async move { client(channel).install_snapshot(request).await }
        });
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = send => {
                let answer = answer.map_err(|error| self.rpc_error(RPCTypes::InstallSnapshot, error))?;
                Ok(decode("a snapshot answer", answer.get_ref()).map_err(|error| unreachable(&error))?)
            }
        }
    }

    /// A director that is away is asked again soon: its hellos say within milliseconds that it is back.
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(Duration::from_millis(50))))
    }
}
