//! Calls on their way from a director to the leader, and their answers: one gRPC stream for each leader, made when it is
//! first needed. Many calls at a time share it, each with a number, and are answered as they are done: a call costs a few
//! octets of framing and no HTTP/2 stream of its own.
//!
//! ```text
//!   ask ──▶ queue ──▶ ┌────────── stream of calls ──────────▶ ┐ leader: up to CALLS_IN_FLIGHT of a stream at a time
//!    ▲                │                                       │
//!    └── waiting ◀─── └ ◀──────── stream of answers ───────── ┘
//! ```
//!
//! A stream ends with its path or its leader. Whoever waited is told that the answer is lost: the call may have acted, and
//! is repeated with the same request id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Instrument;
use twinrail_datapath::Machine;
use twinrail_proto::domain::{Name, Rail};
use twinrail_proto::grpc::internal::v1::leader_service_client::LeaderServiceClient;
use twinrail_proto::grpc::internal::v1::{CallAnswer, CallRequest, Payload};

use super::cluster::CallError;
use super::core::{Core, SharedCore};
use super::leader::{Answer, AskError, LeaderRequest};
use super::raft::{decode, encode};
use crate::link::path_lost;
use crate::telemetry;

/// Most calls of one stream that the leader works on at a time; further ones wait in the stream, which pushes back.
const CALLS_IN_FLIGHT: usize = 1024;
/// Most calls that wait to be written to a stream; who asks then waits for room.
const QUEUE: usize = 256;

/// The open streams, by leader.
#[derive(Default)]
pub struct Lines {
    open: Mutex<BTreeMap<Name, Line>>,
    last_number: AtomicU64,
}

#[derive(Clone)]
struct Line {
    queue: mpsc::Sender<CallRequest>,
    waiting: Waiting,
}

/// Who waits for which answer; None once the stream has ended, when nobody may begin to wait.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<CallAnswer>>>>>;

impl Core {
    pub async fn ask_leader(
        self: &Arc<Self>,
        leader: &Name,
        request: &LeaderRequest,
        timeout: Duration,
    ) -> Result<Answer, AskError> {
        if !self.links.paths().borrow().alive(&Machine::Director(leader.clone())) {
            return Err(AskError::NotLeader);
        }
        let number = self.lines.last_number.fetch_add(1, Ordering::Relaxed);
        let data = encode("a call", request).map_err(|_| AskError::Lost)?.data;
        let traceparent = telemetry::traceparent(&tracing::Span::current()).unwrap_or_default();
        let line = self.line_to(leader);
        let (answered, answer) = oneshot::channel();
        line.waiting.lock().as_mut().ok_or(AskError::Lost)?.insert(number, answered);
        let exchange = async {
            line.queue.send(CallRequest { number, data, traceparent }).await.map_err(|_| AskError::Lost)?;
            answer.await.map_err(|_| AskError::Lost)
        };
        let answer = tokio::time::timeout(timeout, exchange).await;
        forget(&line.waiting, number);
        let CallAnswer { data, .. } = answer.map_err(|_| AskError::Lost)??;
        let answer: Option<Answer> = decode("a call's answer", &Payload { data }).map_err(|error| {
            tracing::error!(%error, %leader, "the leader's answer cannot be read");
            AskError::Lost
        })?;
        answer.ok_or(AskError::NotLeader)
    }

    fn line_to(self: &Arc<Self>, leader: &Name) -> Line {
        let mut open = self.lines.open.lock();
        open.retain(|_, line| line.waiting.lock().is_some());
        if let Some(line) = open.get(leader) {
            return line.clone();
        }
        let (queue, calls) = mpsc::channel(QUEUE);
        let line = Line { queue, waiting: Arc::new(Mutex::new(Some(HashMap::new()))) };
        open.insert(leader.clone(), line.clone());
        let (core, leader, waiting) = (self.clone(), leader.clone(), line.waiting.clone());
        tokio::spawn(async move {
            if let Err(status) = core.run_line(&leader, calls, &waiting).await {
                tracing::debug!(%leader, %status, "the stream of calls to the leader ended");
            }
            *waiting.lock() = None;
        });
        line
    }

    /// Returns when the stream, or the path below it, is gone. Whatever ended it, the next one gets a new connection.
    async fn run_line(
        &self,
        leader: &Name,
        calls: mpsc::Receiver<CallRequest>,
        waiting: &Waiting,
    ) -> Result<(), Status> {
        let unreachable = |error| Status::unavailable(format!("{error}"));
        let (rail, channel) = self.links.stream_channel(leader, Rail::A).map_err(unreachable)?;
        let calls = self.identity.request(ReceiverStream::new(calls));
        let ended = tokio::select! {
            ended = exchange(LeaderServiceClient::new(channel), calls, waiting) => ended,
            () = path_lost(self.links.paths().clone(), Machine::Director(leader.clone()), rail) => {
                Err(Status::unavailable("the path went down"))
            }
        };
        self.links.forget(leader, rail);
        ended
    }
}

async fn exchange(
    mut client: LeaderServiceClient<tonic::transport::Channel>,
    calls: tonic::Request<ReceiverStream<CallRequest>>,
    waiting: &Waiting,
) -> Result<(), Status> {
    let mut answers = client.call(calls).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        // Nobody waits any more for what came too late.
        if let Some(waiting) = forget(waiting, answer.number) {
            let _ = waiting.send(answer);
        }
    }
    Ok(())
}

fn forget(waiting: &Waiting, number: u64) -> Option<oneshot::Sender<CallAnswer>> {
    waiting.lock().as_mut()?.remove(&number)
}

/// The leader's side: the answers to a stream of calls, in the order in which they are done.
pub fn answers(
    core: SharedCore,
    calls: Streaming<CallRequest>,
) -> impl Stream<Item = Result<CallAnswer, Status>> + Send + 'static {
    let answer = move |call: Result<CallRequest, Status>| answer(core.clone(), call);
    calls.map(answer).buffer_unordered(CALLS_IN_FLIGHT)
}

async fn answer(core: SharedCore, call: Result<CallRequest, Status>) -> Result<CallAnswer, Status> {
    let CallRequest { number, data, traceparent } = call?;
    let span = tracing::info_span!("lead");
    telemetry::continue_trace(&span, &traceparent);
    // None: this director does not lead.
    let answer: Option<Answer> = match decode::<LeaderRequest>("a call", &Payload { data }) {
        Ok(request) => core.lead(&request).instrument(span).await.ok(),
        Err(error) => Some(Err(CallError::Storage(format!("the leader: {error}")))),
    };
    let data = encode("a call's answer", &answer)?.data;
    Ok(CallAnswer { number, data })
}
