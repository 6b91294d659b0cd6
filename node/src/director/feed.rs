//! The events of the replicated state as one stream, from a revision on, without a gap.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use twinrail_proto::domain::Revision;
use twinrail_raft_store::store::{Compacted, Notice, RevisionEvents, StateView};

use super::cluster::WatchError;

type Item = Result<Arc<RevisionEvents>, WatchError>;

/// What came after the revision and what comes; `None`: only what comes. Ends after an error.
pub fn watch(state: &StateView, after: Option<Revision>) -> Result<BoxStream<'static, Item>, WatchError> {
    let (missed, live) = match after {
        Some(revision) => state.resume(revision).map_err(|Compacted { oldest }| WatchError::Compacted { oldest })?,
        None => (Vec::new(), state.subscribe()),
    };
    Ok(stream::iter(missed.into_iter().map(Ok)).chain(follow(live)).boxed())
}

fn follow(live: broadcast::Receiver<Notice>) -> impl futures::Stream<Item = Item> {
    stream::unfold(Some(live), |live| async move {
        let mut live = live?;
        match live.recv().await {
            Ok(Notice::Changed(events)) => Some((Ok(events), Some(live))),
            Ok(Notice::Restored(oldest)) => Some((Err(WatchError::Compacted { oldest }), None)),
            Err(RecvError::Lagged(_)) => Some((Err(WatchError::Lagged), None)),
            Err(RecvError::Closed) => None,
        }
    })
}
