//! Watch: the changes of the replicated state as they happen.

use std::pin::Pin;

use futures::{Stream, StreamExt, future, stream};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use twinrail_proto::domain::Revision;
use twinrail_proto::grpc::v1;

use crate::api::call::Head;
use crate::api::event::{Filter, started};
use crate::api::{Api, status};

#[tonic::async_trait]
impl v1::event_service_server::EventService for Api {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let head = Head::of(&request);
        let v1::WatchRequest { after_revision, resource_prefixes } = request.into_inner();
        let after = match after_revision {
            Some(revision) => Revision(revision),
            // Named at once, so that the first message can say from where the watch goes on.
            None => self.read(&head, true).await?.revision(),
        };
        let changes = self.cluster.watch(Some(after)).map_err(status::of_watch)?;
        let mut filter = Filter::new(resource_prefixes, Instant::now());
        let messages = changes.filter_map(move |change| {
            future::ready(match change {
                Ok(changed) => filter.pass(changed.revision, &changed.events, Instant::now()).map(Ok),
                Err(error) => Some(Err(status::of_watch(error))),
            })
        });
        Ok(Response::new(Box::pin(stream::once(future::ready(Ok(started(after)))).chain(messages))))
    }
}
