use serde::{Deserialize, Serialize};
use tokio_stream::StreamExt;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status, Streaming};
use twinrail_proto::grpc::internal::v1::Payload;
use twinrail_proto::grpc::internal::v1::raft_service_server::{RaftService, RaftServiceServer};
use twinrail_raft_store::raft::{Raft, Snapshot, SnapshotMeta, Vote};

use super::codec::{decode, encode};
use crate::link::STORE_KEY;

/// The largest message of the internal services: an append of the most entries that openraft batches.
pub const MAX_MESSAGE: usize = 64 << 20;
/// How a snapshot is cut for the wire.
pub const SNAPSHOT_PIECE: usize = 1 << 20;
/// The largest snapshot that is taken: a leader that sends more is broken, and memory is not endless.
const MAX_SNAPSHOT: usize = 1 << 30;

/// What stands before the pieces of a snapshot.
#[derive(Serialize, Deserialize)]
pub struct SnapshotHeader {
    pub vote: Vote,
    pub meta: SnapshotMeta,
}

/// The receiving side of Raft between directors. Every answer says of which store it is: a candidate or leader counts none
/// of a machine that has lost, or never had, the store that claimed its id.
pub struct RaftEndpoint {
    raft: Raft,
    store_id: MetadataValue<Ascii>,
}

impl RaftEndpoint {
    pub fn service(raft: Raft, store_id: MetadataValue<Ascii>) -> RaftServiceServer<Self> {
        RaftServiceServer::new(Self { raft, store_id })
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    fn answer<T: Serialize>(&self, what: &'static str, answer: &T) -> Result<Response<Payload>, Status> {
        let mut response = Response::new(encode(what, answer)?);
        response.metadata_mut().insert(STORE_KEY, self.store_id.clone());
        Ok(response)
    }
}

fn failed(error: impl std::fmt::Display) -> Status {
    Status::internal(format!("Raft refused: {error}"))
}

#[tonic::async_trait]
impl RaftService for RaftEndpoint {
    async fn append_entries(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let rpc = decode("an append", request.get_ref())?;
        let answer = self.raft.append_entries(rpc).await.map_err(failed)?;
        self.answer("an append's answer", &answer)
    }

    async fn vote(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let rpc = decode("a vote request", request.get_ref())?;
        let answer = self.raft.vote(rpc).await.map_err(failed)?;
        self.answer("a vote", &answer)
    }

    async fn pre_vote(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let rpc = decode("a pre-vote request", request.get_ref())?;
        let answer = self.raft.pre_vote(rpc).await.map_err(failed)?;
        self.answer("a pre-vote", &answer)
    }

    async fn transfer_leader(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let rpc = decode("a leadership transfer", request.get_ref())?;
        let answer = self.raft.handle_transfer_leader(rpc).await.map_err(failed)?;
        self.answer("a transfer's answer", &answer)
    }

    async fn install_snapshot(&self, request: Request<Streaming<Payload>>) -> Result<Response<Payload>, Status> {
        let mut pieces = request.into_inner();
        let first = pieces.next().await.ok_or_else(|| Status::invalid_argument("a snapshot without a header"))??;
        let SnapshotHeader { vote, meta } = decode("a snapshot header", &first)?;
        let mut data = Vec::new();
        while let Some(piece) = pieces.next().await {
            data.extend_from_slice(&piece?.data);
            if data.len() > MAX_SNAPSHOT {
                return Err(Status::resource_exhausted(format!("a snapshot of more than {MAX_SNAPSHOT} octets")));
            }
        }
        let snapshot = Snapshot { meta, snapshot: data };
        let answer = self.raft.install_full_snapshot(vote, snapshot).await.map_err(failed)?;
        self.answer("a snapshot's answer", &answer)
    }
}
