//! The first minutes of a cluster, and of each director's life in it: the leader writes down who is there, and every
//! director claims its id for its store, so that no second machine can.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;
use twinrail_proto::domain::{AdminState, Director, DirectorId, Rail};
use twinrail_proto::grpc::internal::v1::ReadIndexRequest;
use twinrail_proto::grpc::internal::v1::leader_service_client::LeaderServiceClient;
use twinrail_raft_store::state::{Operation, Rejection};

use super::cluster::{Call, CallError, Cluster, Intent};
use super::core::SharedCore;
use super::leader::NotLeader;
use crate::config::InitialDirector;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A cluster that is being founded needs less.
const KNOCK_EVERY: Duration = Duration::from_secs(2);
const KNOCK_TIMEOUT: Duration = Duration::from_millis(500);
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("this director is of the cluster {ours:?} and its peers are of {theirs:?}")]
    OtherCluster { ours: String, theirs: String },
    #[error(
        "the cluster refuses this director: {0}. Either another machine runs under this `id`, or this machine's store was \
         lost. The way back: `twinrail director remove` it, move its data_dir away, `twinrail director add` it under a new \
         id, start it with that id and `join = true`, and name its uplinks anew (`twinrail lan update --uplink`)"
    )]
    Claimed(Rejection),
}

/// Returns only with an error that must stop this director; when all is written down it waits for ever.
pub async fn bootstrap(core: SharedCore) -> BootstrapError {
    tokio::select! {
        error = settle(&core) => error,
        never = knock(&core) => match never {},
    }
}

/// While no cluster has told this director of itself, it asks the others why: they may not know its addresses, and so not
/// answer its hellos, and whoever refuses it says which setting is wrong.
async fn knock(core: &SharedCore) -> Infallible {
    for rail in Rail::ALL.into_iter().cycle() {
        tokio::time::sleep(KNOCK_EVERY).await;
        if core.founded() {
            break;
        }
        tracing::info!(
            join = core.config.join,
            "no cluster knows this director yet: fewer than half of the founders run, or it waits for `twinrail director add`"
        );
        for name in core.members.all().keys().filter(|name| **name != core.own) {
            let request = core.identity.request(ReadIndexRequest {});
            let ask = |channel| async move { LeaderServiceClient::new(channel).read_index(request).await };
            core.links.knock(name, rail, KNOCK_TIMEOUT, ask).await;
        }
    }
    std::future::pending().await
}

async fn settle(core: &SharedCore) -> BootstrapError {
    loop {
        let (cluster, claimed) = {
            let state = core.state.read();
            let own = state.directors().get(&core.own);
            (state.cluster().map(str::to_owned), own.map(|it| it.value.store_id.clone()))
        };
        match (cluster, claimed) {
            (None, _) if core.leads() && !core.config.join => {
                if found(core).await.is_err() {
                    tracing::info!("the leadership went while the cluster was founded");
                }
            }
            (Some(theirs), _) if theirs != core.config.cluster => {
                return BootstrapError::OtherCluster { ours: core.config.cluster.clone(), theirs };
            }
            (Some(_), Some(store)) if store.as_deref() == Some(&core.store_id) => std::future::pending().await,
            (Some(_), Some(_)) => {
                if let Err(CallError::Rejected(rejection)) = claim(core).await {
                    return BootstrapError::Claimed(rejection);
                }
            }
            (Some(_) | None, _) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn found(core: &SharedCore) -> Result<(), NotLeader> {
    let cluster = core.config.cluster.clone();
    tracing::info!(%cluster, "founding the cluster");
    let founders = core.config.directors.iter().map(|it| Operation::CreateDirector(record(it)));
    // The name comes last: whoever sees it knows that the directors are written down.
    for operation in founders.chain([Operation::Found { cluster }]) {
        if let Err(error) = core.propose(core.own_command(operation)).await? {
            tracing::debug!(%error, "written down already");
        }
    }
    Ok(())
}

fn record(director: &InitialDirector) -> Director {
    Director {
        name: director.name.clone(),
        id: DirectorId(director.id),
        role: director.role,
        admin_state: AdminState::Enabled,
        rails: director.rails(),
        api_address: director.api.clone(),
        store_id: None,
    }
}

async fn claim(core: &SharedCore) -> Result<(), CallError> {
    let operation = Operation::ClaimDirector { id: DirectorId(core.own_id), store_id: core.store_id.clone() };
    let call = Call {
        intent: Intent::Apply(operation),
        request_id: None,
        actor: format!("director {}", core.own),
        validate_only: false,
        deadline: Instant::now() + CLAIM_TIMEOUT,
    };
    Cluster::new(core.clone()).call(call).await.map(|_| ())
}
