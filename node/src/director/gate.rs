//! Who may speak to this director on the internal port: machines of its own cluster; and of two machines that claim one
//! director id, the one whose store claimed it first.

use std::sync::Arc;
use std::time::Instant;

use tonic::service::Interceptor;
use tonic::{Request, Status};
use twinrail_raft_store::store::StateView;

use crate::link::{CLUSTER_KEY, DIRECTOR_KEY, STORE_KEY};
use crate::reminders::Reminders;

#[derive(Clone)]
pub struct Gate {
    cluster: Arc<str>,
    own_id: u64,
    state: StateView,
    reminders: Arc<Reminders>,
}

impl Gate {
    pub fn new(cluster: &str, own_id: u64, state: StateView) -> Self {
        Self { cluster: cluster.into(), own_id, state, reminders: Arc::default() }
    }

    fn check_cluster(&self, request: &Request<()>) -> Result<(), String> {
        match header(request, CLUSTER_KEY) {
            Some(theirs) if theirs == &*self.cluster => Ok(()),
            Some(theirs) => Err(format!(
                "this is a director of the cluster {:?}, and you are of {theirs:?}: check `cluster` in the configuration",
                self.cluster
            )),
            None => Err(format!("the metadata {CLUSTER_KEY} is missing: this port is for directors and agents")),
        }
    }

    fn check_director(&self, request: &Request<()>) -> Result<(), String> {
        let (Some(id), Some(store)) = (header(request, DIRECTOR_KEY), header(request, STORE_KEY)) else {
            return Ok(());
        };
        let id: u64 = id.parse().map_err(|_| format!("{DIRECTOR_KEY} {id:?} is no number"))?;
        if id == self.own_id {
            return Err(format!(
                "you say that you are director {id}, and so am I: check `id` in the configuration, ids must differ"
            ));
        }
        let state = self.state.read();
        let claimed =
            state.directors().values().find(|it| it.value.id.0 == id).and_then(|it| it.value.store_id.as_deref());
        match claimed {
            Some(known) if known != store => Err(format!(
                "director {id} is the machine with the store {known}, and yours is {store}. Either another machine has this \
                 `id`: check it in the configuration; or this machine's store was lost: remove the director from the \
                 cluster and let it join under a new id"
            )),
            _ => Ok(()),
        }
    }
}

fn header<'a>(request: &'a Request<()>, key: &str) -> Option<&'a str> {
    request.metadata().get(key).and_then(|value| value.to_str().ok())
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let checked = self.check_cluster(&request).and_then(|()| self.check_director(&request));
        match checked {
            Ok(()) => Ok(request),
            Err(problem) => {
                if self.reminders.due(&problem, Instant::now()) {
                    let from = request.remote_addr();
                    tracing::warn!(?from, problem, "refused a caller on the internal port");
                }
                Err(Status::permission_denied(problem))
            }
        }
    }
}
