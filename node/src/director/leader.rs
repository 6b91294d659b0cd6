//! What only the leader can do: make the plan that an intent needs, commit it, and answer. And the way there for the
//! other directors.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::ReadPolicy;
use openraft::errors::{ClientWriteError, RaftError};
use serde::{Deserialize, Serialize};
use tonic::{Request, Response, Status, Streaming};
use twinrail_proto::domain::{Name, ResourceKind, Revision};
use twinrail_proto::grpc::internal::v1::leader_service_client::LeaderServiceClient;
use twinrail_proto::grpc::internal::v1::leader_service_server::LeaderService;
use twinrail_proto::grpc::internal::v1::{
    CallAnswer, CallRequest, ReadIndexRequest, ReadIndexResponse, RenewLeaseRequest, RenewLeaseResponse,
};
use twinrail_raft_store::proposal::Proposal;
use twinrail_raft_store::state::{Applied, Change, Command, Operation, Rejection, RequestId};

use super::cluster::{CallError, Intent};
use super::core::{Core, SharedCore, unix_millis};
use super::forward;
use super::raft::encode;

/// A call of the public API on its way to the leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaderRequest {
    pub intent: Intent,
    pub request_id: RequestId,
    pub actor: String,
    pub validate_only: bool,
}

/// This director does not lead (any more): nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLeader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    NotLeader,
    /// No answer came: it may have been done.
    Lost,
}

pub type Answer = Result<Applied, CallError>;

impl Core {
    /// Answers a call as the leader.
    pub async fn lead(&self, request: &LeaderRequest) -> Result<Answer, NotLeader> {
        if !self.founded() {
            return Err(NotLeader);
        }
        if let Intent::TransferLeadership { to } = &request.intent {
            return self.transfer_leadership(to.as_ref(), request.validate_only).await;
        }
        if request.validate_only {
            self.read_index().await?;
        }
        let operation = match self.operation(request) {
            Ok(operation) => operation,
            Err(error) => return Ok(Err(error)),
        };
        let command = Command {
            request_id: Some(request.request_id.clone()),
            at: unix_millis(),
            actor: request.actor.clone(),
            intent: digest(&request.intent),
            operation,
        };
        if request.validate_only {
            return Ok(self.foresee(&command, &request.intent));
        }
        self.propose(command).await
    }

    fn operation(&self, request: &LeaderRequest) -> Result<Operation, CallError> {
        if self.state.read().answered(&request.request_id).is_some() && !request.validate_only {
            return Ok(Operation::Recall);
        }
        self.plan_intent(&request.intent)
    }

    /// Commits a command. The answer may be a rejection, which is a deterministic answer and no failure.
    pub async fn propose(&self, command: Command) -> Result<Answer, NotLeader> {
        let proposal = match Proposal::new(command) {
            Ok(proposal) => proposal,
            Err(error) => return Ok(Err(CallError::Storage(format!("the command cannot be written: {error}")))),
        };
        match self.raft.client_write(proposal).await {
            Ok(written) => {
                self.note_commit(&written.data);
                Ok(written.data.map_err(CallError::Rejected))
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(NotLeader),
            Err(RaftError::APIError(error)) => Ok(Err(CallError::Storage(error.to_string()))),
            Err(RaftError::Fatal(error)) => Ok(Err(CallError::Storage(error.to_string()))),
        }
    }

    /// A failover that this director decided is committed: the one time of a receipt that its own command cannot hold.
    fn note_commit(&self, outcome: &Result<Applied, Rejection>) {
        let Some(applied) = outcome.as_ref().ok().filter(|it| !it.replayed) else { return };
        let receipts = applied.events.iter().filter(|it| it.key.kind == ResourceKind::Failover);
        for receipt in receipts.filter(|it| it.change == Change::Created) {
            self.carriage.committed(&receipt.key.name);
        }
    }

    /// Confirms with a quorum that this director leads, and says up to where a linearizable read must have applied.
    pub async fn read_index(&self) -> Result<Revision, NotLeader> {
        let linearizer = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await.map_err(|_| NotLeader)?;
        Ok(Revision(linearizer.read_log_id().index()))
    }

    pub async fn ask_read_index(&self, leader: &Name, timeout: Duration) -> Option<Revision> {
        let answer = self.links.call(leader, timeout, |channel| {
            let request = self.identity.request(ReadIndexRequest {});
            async move { LeaderServiceClient::new(channel).read_index(request).await }
        });
        answer.await.ok().map(|answer| Revision(answer.get_ref().revision))
    }

    pub async fn ask_lease(
        &self,
        leader: &Name,
        message: &RenewLeaseRequest,
        timeout: Duration,
    ) -> Option<RenewLeaseResponse> {
        let answer = self.links.call(leader, timeout, |channel| {
            let request = self.identity.request(message.clone());
            async move { LeaderServiceClient::new(channel).renew_lease(request).await }
        });
        answer.await.ok().map(Response::into_inner)
    }
}

/// A digest of what the client asked for (FNV-1a, 64 bits): the same on every director and in every build.
fn digest(intent: &Intent) -> u64 {
    let written = encode("an intent", intent).map(|payload| payload.data).unwrap_or_default();
    written.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// The leader's side of the internal service.
pub struct LeaderEndpoint {
    core: SharedCore,
}

impl LeaderEndpoint {
    pub fn new(core: SharedCore) -> Self {
        Self { core }
    }
}

fn not_leader(_: NotLeader) -> Status {
    Status::failed_precondition("this director does not lead")
}

#[tonic::async_trait]
impl LeaderService for LeaderEndpoint {
    type CallStream = BoxStream<'static, Result<CallAnswer, Status>>;

    async fn call(&self, calls: Request<Streaming<CallRequest>>) -> Result<Response<Self::CallStream>, Status> {
        Ok(Response::new(forward::answers(self.core.clone(), calls.into_inner()).boxed()))
    }

    async fn read_index(&self, _: Request<ReadIndexRequest>) -> Result<Response<ReadIndexResponse>, Status> {
        let Revision(revision) = self.core.read_index().await.map_err(not_leader)?;
        Ok(Response::new(ReadIndexResponse { revision }))
    }

    async fn renew_lease(&self, request: Request<RenewLeaseRequest>) -> Result<Response<RenewLeaseResponse>, Status> {
        let answer = self.core.grant_lease(request.into_inner()).await.map_err(not_leader)?;
        Ok(Response::new(answer))
    }
}
