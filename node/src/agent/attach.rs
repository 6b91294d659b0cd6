//! The stream to one director: attached whenever a path to it is up, by whichever rail works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use twinrail_datapath::Machine;
use twinrail_proto::domain::{Name, Rail};
use twinrail_proto::grpc::internal::v1::agent_message::Message;
use twinrail_proto::grpc::internal::v1::agent_service_client::AgentServiceClient;
use twinrail_proto::grpc::internal::v1::{AgentMessage, AttachRequest, DirectorMessage, PathReport, path_report};

use crate::link::{Identity, Links, PathBoard, path_ended};

/// The longest wait before a director that refused or failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long to wait for a path before a director is called on a rail that may not work.
const UNTRIED: Duration = Duration::from_millis(200);
/// What waits to be sent to one director; older reports are worth nothing once newer ones exist, and are few.
const OUTGOING: usize = 64;
/// The largest assignment: MAX_ADAPTERS_PER_SERVER adapters and their words.
const MAX_MESSAGE: usize = 16 << 20;

/// What all streams of this agent share.
#[derive(Clone)]
pub struct Attacher {
    pub identity: Identity,
    pub links: Links,
    pub request: AttachRequest,
    /// What every director must know: releases and device reports. Each stream sends the newest.
    pub said: watch::Receiver<Arc<Vec<AgentMessage>>>,
    pub heard: mpsc::Sender<DirectorMessage>,
}

/// Stays attached to one director until the task is dropped.
pub async fn stay_attached(attacher: Attacher, director: Name) {
    let machine = Machine::Director(director.clone());
    for untried in Rail::ALL.into_iter().cycle() {
        let mut paths = attacher.links.paths().clone();
        // A director that has not heard of this server yet does not answer its hellos: it is called all the same.
        let _ = tokio::time::timeout(UNTRIED, paths.wait_for(|board| board.alive(&machine))).await;
        match attach_once(&attacher, &director, untried).await {
            Some(status) => {
                tracing::warn!(%director, problem = status.message(), "not attached");
                tokio::time::sleep(RETRY).await;
            }
            None => tokio::time::sleep(RETRY / 20).await,
        }
    }
}

/// One stream, until it ends or its path goes down. Says what the director refused, if it did.
async fn attach_once(attacher: &Attacher, director: &Name, untried: Rail) -> Option<tonic::Status> {
    let Ok((rail, channel)) = attacher.links.stream_channel(director, untried) else { return None };
    let (sender, receiver) = mpsc::channel(OUTGOING);
    let first = AgentMessage { message: Some(Message::Attach(attacher.request.clone())) };
    sender.try_send(first).expect("a new queue has room for its first message");
    let request = attacher.identity.request(ReceiverStream::new(receiver));
    let mut client = AgentServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let lost = path_ended(attacher.links.paths().clone(), Machine::Director(director.clone()), rail);
    tokio::pin!(lost);
    let mut stream = tokio::select! {
        answer = client.attach(request) => match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                attacher.links.forget(director, rail);
                return Some(status);
            }
        },
        () = &mut lost => return drop_channel(attacher, director, rail),
    };
    tracing::info!(%director, %rail, "attached");
    let mut said = attacher.said.clone();
    let mut paths = attacher.links.paths().clone();
    said.mark_changed();
    paths.mark_changed();
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(message)) => attacher.heard.send(message).await.ok()?,
                Some(Err(_)) | None => return drop_channel(attacher, director, rail),
            },
            Ok(()) = said.changed() => {
                let messages = said.borrow_and_update().clone();
                for message in messages.iter() {
                    sender.send(message.clone()).await.ok()?;
                }
            }
            Ok(()) = paths.changed() => {
                let report = path_report(&paths.borrow_and_update());
                sender.send(report).await.ok()?;
            }
            () = &mut lost => return drop_channel(attacher, director, rail),
        }
    }
}

fn drop_channel(attacher: &Attacher, director: &Name, rail: Rail) -> Option<tonic::Status> {
    attacher.links.forget(director, rail);
    None
}

fn path_report(board: &PathBoard) -> AgentMessage {
    let paths = board.iter().filter_map(|state| match &state.peer {
        Machine::Director(name) => {
            Some(path_report::Path { director: name.to_string(), rail: state.rail.index() as u32, up: state.up })
        }
        Machine::Server(_) => None,
    });
    AgentMessage { message: Some(Message::Paths(PathReport { paths: paths.collect() })) }
}
