use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use twinrail_datapath::Machine;
use twinrail_proto::domain::{Name, Rail, RailAddresses};

use super::paths::{PathWatch, path_lost};
use crate::config::INTERNAL_PORT;
use crate::reminders::Reminders;

/// The metadata in which every internal call says who makes it.
pub const CLUSTER_KEY: &str = "x-twinrail-cluster";
pub const DIRECTOR_KEY: &str = "x-twinrail-director";
pub const STORE_KEY: &str = "x-twinrail-store";

/// How long a connection may take to be made. A path that is up answers in microseconds; a machine under load may need longer.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Who calls. Agents have no director id and no store.
#[derive(Clone, Debug)]
pub struct Identity {
    cluster: MetadataValue<Ascii>,
    director: Option<(MetadataValue<Ascii>, MetadataValue<Ascii>)>,
}

impl Identity {
    /// `None` when the words cannot stand in a header; the configuration checks that they can.
    pub fn agent(cluster: &str) -> Option<Self> {
        Some(Self { cluster: cluster.parse().ok()?, director: None })
    }

    pub fn director(cluster: &str, id: u64, store_id: &str) -> Option<Self> {
        let director = Some((id.into(), store_id.parse().ok()?));
        Some(Self { cluster: cluster.parse().ok()?, director })
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER_KEY, self.cluster.clone());
        if let Some((id, store)) = &self.director {
            metadata.insert(DIRECTOR_KEY, id.clone());
            metadata.insert(STORE_KEY, store.clone());
        }
        request
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("director {0} is not known here")]
    Unknown(Name),
    #[error("no path to director {0} is up")]
    NoPath(Name),
    #[error("director {peer} did not answer within {after:?}")]
    Timeout { peer: Name, after: Duration },
    #[error("director {peer} refused: {status}")]
    Refused { peer: Name, status: Box<Status> },
}

/// Channels to the directors of the cluster.
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    paths: PathWatch,
    peers: Mutex<BTreeMap<Name, Peer>>,
    /// Neighbours prefer different rails, so that both carry load.
    preferred: Rail,
    reminders: Reminders,
}

struct Peer {
    rails: RailAddresses,
    channels: [Option<Channel>; 2],
}

impl Links {
    pub fn new(paths: PathWatch, preferred: Rail) -> Self {
        Self { inner: Arc::new(Inner { paths, peers: Mutex::default(), preferred, reminders: Reminders::default() }) }
    }

    /// Replaces the set of known directors; channels to unchanged addresses stay.
    pub fn set_peers(&self, directors: impl IntoIterator<Item = (Name, RailAddresses)>) {
        let mut peers = self.inner.peers.lock();
        let mut old = std::mem::take(&mut *peers);
        for (name, rails) in directors {
            let kept = old.remove(&name).filter(|peer| peer.rails == rails);
            peers.insert(name, kept.unwrap_or(Peer { rails, channels: [None, None] }));
        }
    }

    /// Calls a director on the first rail whose path is up; when the path goes down under the call, or the connection
    /// fails, once more on the other. So `call` must be safe to repeat.
    pub async fn call<T, F, Fut>(&self, peer: &Name, timeout: Duration, call: F) -> Result<T, LinkError>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let machine = Machine::Director(peer.clone());
        let rails = self.inner.paths.borrow().rails_up(&machine, self.inner.preferred);
        let mut failure = LinkError::NoPath(peer.clone());
        for rail in rails {
            let channel = self.channel(peer, rail)?;
            let answer = tokio::select! {
                answer = tokio::time::timeout(timeout, call(channel)) => answer,
                () = path_lost(self.inner.paths.clone(), machine.clone(), rail) => {
                    self.forget(peer, rail);
                    continue;
                }
            };
            match answer {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(status)) if broken_connection(&status) => {
                    self.forget(peer, rail);
                    failure = LinkError::Refused { peer: peer.clone(), status: Box::new(status) };
                }
                Ok(Err(status)) => {
                    self.tell_if_unwelcome(peer, &status);
                    return Err(LinkError::Refused { peer: peer.clone(), status: Box::new(status) });
                }
                Err(_) => return Err(LinkError::Timeout { peer: peer.clone(), after: timeout }),
            }
        }
        Err(failure)
    }

    /// Calls a director whether or not a path to it is up, and says in the log when it refuses this machine. For one whose
    /// hellos nobody answers, because nobody knows its addresses.
    pub async fn knock<T, F, Fut>(&self, peer: &Name, rail: Rail, timeout: Duration, call: F)
    where
        F: FnOnce(Channel) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let Ok(channel) = self.channel(peer, rail) else { return };
        match tokio::time::timeout(timeout, call(channel)).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) if !broken_connection(&status) => self.tell_if_unwelcome(peer, &status),
            Ok(Err(_)) | Err(_) => self.forget(peer, rail),
        }
    }

    /// The peer does not take this machine for what it says that it is: only an operator can help.
    fn tell_if_unwelcome(&self, peer: &Name, status: &Status) {
        if status.code() == Code::PermissionDenied && self.inner.reminders.due(status.message(), Instant::now()) {
            tracing::error!(%peer, problem = status.message(), "this director is refused");
        }
    }

    /// The rail to use for a long-lived stream, with its channel: one whose path is up, or else `untried`.
    pub fn stream_channel(&self, peer: &Name, untried: Rail) -> Result<(Rail, Channel), LinkError> {
        let machine = Machine::Director(peer.clone());
        let rails = self.inner.paths.borrow().rails_up(&machine, self.inner.preferred);
        let rail = rails.first().copied().unwrap_or(untried);
        Ok((rail, self.channel(peer, rail)?))
    }

    pub fn forget(&self, peer: &Name, rail: Rail) {
        if let Some(peer) = self.inner.peers.lock().get_mut(peer) {
            peer.channels[rail.index()] = None;
        }
    }

    pub fn paths(&self) -> &PathWatch {
        &self.inner.paths
    }

    fn channel(&self, name: &Name, rail: Rail) -> Result<Channel, LinkError> {
        let mut peers = self.inner.peers.lock();
        let peer = peers.get_mut(name).ok_or_else(|| LinkError::Unknown(name.clone()))?;
        let address = SocketAddr::new(peer.rails.on(rail), INTERNAL_PORT);
        let slot = &mut peer.channels[rail.index()];
        Ok(slot.get_or_insert_with(|| connect(address)).clone())
    }
}

fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("a socket address makes a URI")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .connect_lazy()
}

/// The connection failed, not the call: tonic says so by UNAVAILABLE or UNKNOWN with a transport error behind it.
fn broken_connection(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown)
        && std::error::Error::source(status)
            .is_some_and(|source| source.is::<tonic::transport::Error>() || source.source().is_some())
}
