//! A director from start to stop: everything is checked, then built, then run; it stops in the reverse order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use twinrail_datapath::{DirectorDatapath, Event};
use twinrail_failover::detector::Timing as DetectorTiming;
use twinrail_proto::domain::{DirectorId, Rail};
use twinrail_proto::grpc::internal::v1::agent_service_server::AgentServiceServer;
use twinrail_proto::grpc::internal::v1::home_service_server::HomeServiceServer;
use twinrail_proto::grpc::internal::v1::leader_service_server::LeaderServiceServer;
use twinrail_proto::rail::ClusterTag;
use twinrail_raft_store::store::{Checks, Identity as StoreIdentity, Store, StoreError};

use super::agents::{AgentEndpoint, AgentHub};
use super::bootstrap::{BootstrapError, bootstrap};
use super::carriage::{Carriage, datapath_events, enforce, follow_vhbas};
use super::cluster::Cluster;
use super::core::{Core, SharedCore};
use super::forward::Lines;
use super::gate::Gate;
use super::leader::LeaderEndpoint;
use super::lease::{LeaseBook, keep_lease};
use super::liveness::{Liveness, watch_liveness};
use super::members::Members;
use super::raft::{self, Network, RaftEndpoint, RaftSetupError, watch_leader};
use super::releases::ReleaseBook;
use super::uplinks::{UplinkBook, watch_uplinks};
use super::vhba::{HomeEndpoint, Setting, Vhbas};
use super::{health, membership, metrics, reconciler};
use crate::config::{DirectorConfig, INTERNAL_PORT, rail_kinds, rails_config};
use crate::link::{Identity, Links, PathBoard};
use crate::{api, stop};

/// News from the datapath's threads that wait to be taken; more of them say nothing new.
const DATAPATH_NEWS: usize = 4096;
/// The board of paths is refreshed this often beside the times when something changed, for round-trip times.
const REFRESH_PATHS: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum DirectorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the datapath cannot start: {0}")]
    Datapath(#[from] twinrail_datapath::StartError),
    #[error(
        "cannot carry vHBAs on TCP port {} of both rails: {source}; are the addresses of `rails` configured on this machine?",
        twinrail_proto::rail::command::COMMAND_PORT
    )]
    Vhbas { source: std::io::Error },
    #[error(transparent)]
    Raft(#[from] RaftSetupError),
    #[error("cannot listen for {what} on {address}: {source}; {hint}")]
    Listen { what: &'static str, address: SocketAddr, source: std::io::Error, hint: &'static str },
    #[error(transparent)]
    Refused(#[from] BootstrapError),
    #[error("the cluster's name or the store's id cannot be sent in a header")]
    Identity,
    #[error("a part of the director ended: {0}")]
    Ended(String),
}

/// Runs until a signal asks to stop, or a part fails.
pub async fn run(config: DirectorConfig) -> Result<(), DirectorError> {
    let own = config.own().expect("the configuration was checked").clone();
    let store = open_store(&config, own.id)?;
    let store_id = store.identity.store_id.clone();
    let identity = Identity::director(&config.cluster, own.id, &store_id).ok_or(DirectorError::Identity)?;
    let internal = listen_internal(&config).await?;
    let public = listen("the API", config.listen.api, "is another program there?").await?;
    let scraped = listen("metrics", config.listen.metrics, "is another program there?").await?;

    let (news, heard) = mpsc::channel(DATAPATH_NEWS);
    let datapath = Arc::new(DirectorDatapath::start(datapath_config(&config), datapath_events(news))?);
    let vhbas = Vhbas::start(vhba_setting(&config)).map_err(|source| DirectorError::Vhbas { source })?;
    let (board, paths) = watch::channel(Arc::new(PathBoard::default()));
    let members = Members::from_config(&config.directors);
    let links = Links::new(paths, if own.id.is_multiple_of(2) { Rail::A } else { Rail::B });
    links.set_peers(members.all().iter().map(|(name, it)| (name.clone(), it.rails)));

    let network = Network {
        own: own.id,
        links: links.clone(),
        identity: identity.clone(),
        members: members.clone(),
        state: store.view.clone(),
    };
    let raft = raft::start(&config, own.id, network, store.log, store.machine).await?;
    let timing = DetectorTiming { lost_after: config.timing.director_lost_after(), ..DetectorTiming::default() };
    let core = Arc::new(Core {
        own: own.name.clone(),
        own_id: own.id,
        store_id,
        raft,
        state: store.view,
        store: store.counters,
        identity,
        members,
        links,
        lines: Lines::default(),
        datapath,
        vhbas,
        liveness: Liveness::new(own.name.clone(), timing),
        carriage: Carriage::default(),
        leases: LeaseBook::new(config.timing.lease()),
        releases: ReleaseBook::default(),
        agents: AgentHub::default(),
        uplinks: UplinkBook::default(),
        work: watch::Sender::new(()),
        config,
    });

    let mut parts: JoinSet<String> = JoinSet::new();
    parts.spawn(part("paths", pump(core.clone(), heard, board)));
    parts.spawn(part("carriage", enforce(core.clone())));
    parts.spawn(part("vHBAs", follow_vhbas(core.clone())));
    parts.spawn(part("the thread of the vHBAs", thread_of_vhbas(core.clone())));
    parts.spawn(part("liveness", watch_liveness(core.clone())));
    parts.spawn(part("uplinks", watch_uplinks(core.clone())));
    parts.spawn(part("lease", keep_lease(core.clone())));
    parts.spawn(part("reconciler", reconciler::reconcile(core.clone())));
    parts.spawn(part("membership", membership::follow_directors(core.clone())));
    parts.spawn(part("election", watch_leader(core.clone())));
    parts.spawn(part("metrics", metrics::serve(core.clone(), scraped)));
    for listener in internal {
        parts.spawn(part("internal API", serve_internal(core.clone(), listener)));
    }
    parts.spawn(part("API", serve_public(core.clone(), public)));
    tracing::info!(director = %core.own, id = core.own_id, cluster = %core.config.cluster, "running");

    let ended = tokio::select! {
        Err(error) = raft::found(&core.raft, &core.config), if !core.config.join => Err(error.into()),
        error = bootstrap(core.clone()) => Err(error.into()),
        Some(ended) = parts.join_next() => Err(DirectorError::Ended(ended.unwrap_or_else(|error| error.to_string()))),
        signal = stop::signal() => {
            tracing::info!(signal, "stopping");
            Ok(())
        }
    };
    if core.leads()
        && let Some(heir) = core.best_leader()
    {
        core.hand_over(&heir).await;
    }
    parts.shutdown().await;
    if let Err(error) = core.raft.shutdown().await {
        tracing::warn!(%error, "Raft did not stop in order");
    }
    ended
}

async fn thread_of_vhbas(core: SharedCore) {
    core.vhbas.ended().await;
}

/// Names a part in the message that says that it ended.
async fn part(name: &'static str, work: impl Future<Output = ()>) -> String {
    work.await;
    name.to_owned()
}

fn open_store(config: &DirectorConfig, id: u64) -> Result<Store, StoreError> {
    let wanted = StoreIdentity {
        cluster: config.cluster.clone(),
        director: DirectorId(id),
        store_id: uuid::Uuid::new_v4().to_string(),
    };
    Store::open_directory(&config.data_dir, wanted, Checks::None)
}

fn datapath_config(config: &DirectorConfig) -> twinrail_datapath::DirectorConfig {
    let kinds = rail_kinds(config.rail, &config.verbs);
    let rails = rails_config(&config.cluster, config.rails.addresses(), kinds, &config.timing);
    twinrail_datapath::DirectorConfig { rails, recorder: config.trial.flight_recorder.clone() }
}

fn vhba_setting(config: &DirectorConfig) -> Setting {
    Setting {
        own: config.name.clone(),
        cluster: ClusterTag::of(&config.cluster),
        rails: config.rails.addresses(),
        skip_fence: config.trial.skip_fence,
    }
}

async fn listen(what: &'static str, address: SocketAddr, hint: &'static str) -> Result<TcpListener, DirectorError> {
    TcpListener::bind(address).await.map_err(|source| DirectorError::Listen { what, address, source, hint })
}

async fn listen_internal(config: &DirectorConfig) -> Result<Vec<TcpListener>, DirectorError> {
    let mut listeners = Vec::new();
    for rail in Rail::ALL {
        let address = SocketAddr::new(config.rails.addresses().on(rail), INTERNAL_PORT);
        let hint = "is the address of `rails` configured on this machine, and is no other director running here?";
        listeners.push(listen("directors and agents", address, hint).await?);
    }
    Ok(listeners)
}

async fn serve_internal(core: SharedCore, listener: TcpListener) {
    let gate = Gate::new(&core.config.cluster, core.own_id, core.state.clone());
    let raft = RaftEndpoint::service(core.raft.clone(), core.store_id.parse().expect("it was sent in headers before"));
    let leader = LeaderServiceServer::new(LeaderEndpoint::new(core.clone()))
        .max_decoding_message_size(raft::MAX_MESSAGE)
        .max_encoding_message_size(raft::MAX_MESSAGE);
    let homes = HomeServiceServer::new(HomeEndpoint::new(core.clone()));
    let agents = AgentServiceServer::new(AgentEndpoint::new(core.clone()));
    let served = Server::builder()
        .add_service(InterceptedService::new(raft, gate.clone()))
        .add_service(InterceptedService::new(leader, gate.clone()))
        .add_service(InterceptedService::new(homes, gate.clone()))
        .add_service(InterceptedService::new(agents, gate))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    if let Err(error) = served.await {
        tracing::error!(%error, "the internal API ended");
    }
}

async fn serve_public(core: SharedCore, listener: TcpListener) {
    let (routes, reporter) = api::router(Cluster::new(core.clone()));
    let watching = tokio::spawn(health::report_health(core.clone(), reporter));
    let served =
        Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    if let Err(error) = served.await {
        tracing::error!(%error, "the API ended");
    }
    watching.abort();
}

/// Takes the datapath's news: the newest picture of the paths, and what was announced.
async fn pump(core: SharedCore, mut heard: mpsc::Receiver<Event>, board: watch::Sender<Arc<PathBoard>>) {
    let mut refresh = tokio::time::interval(REFRESH_PATHS);
    loop {
        let event = tokio::select! {
            event = heard.recv() => match event {
                Some(event) => event,
                None => return,
            },
            _ = refresh.tick() => {
                board.send_replace(Arc::new(PathBoard::new(core.datapath.paths())));
                continue;
            }
        };
        match event {
            Event::PathUp { peer, rail } => tracing::info!(%peer, %rail, "path up"),
            Event::PathDown { peer, rail, cause } => tracing::info!(%peer, %rail, ?cause, "path down"),
            Event::Announced { adapter, epoch } => core.carriage.announced(adapter, epoch),
            Event::Stalled { for_ns } => tracing::warn!(
                stalled_ms = for_ns / 1_000_000,
                "the datapath was stopped for a while: nothing is carried until the lease is renewed"
            ),
            Event::OtherCluster { from, rail } => tracing::warn!(
                %from,
                %rail,
                ours = core.config.cluster,
                "a machine of another cluster speaks on our rail and is not heard: check `cluster` in its configuration"
            ),
            Event::PortFailed { lan } => {
                tracing::warn!(%lan, "the port of a LAN failed: opening it anew");
                core.carriage.renew();
            }
            Event::Started
            | Event::Stopped
            | Event::Carrying { .. }
            | Event::ServerReady { .. }
            | Event::DeviceFailed { .. } => continue,
        }
        board.send_replace(Arc::new(PathBoard::new(core.datapath.paths())));
    }
}
