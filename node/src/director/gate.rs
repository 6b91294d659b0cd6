//! Who may speak to this director on the internal port: machines of its own cluster; and of two machines that claim one
//! director id, the one whose store claimed it first.

use std::sync::Arc;

use tonic::service::Interceptor;
use tonic::{Request, Status};
use twinrail_raft_store::store::StateView;

use crate::link::{CLUSTER_KEY, DIRECTOR_KEY, STORE_KEY};

#[derive(Clone)]
pub struct Gate {
    cluster: Arc<str>,
    own_id: u64,
    state: StateView,
}

impl Gate {
    pub fn new(cluster: &str, own_id: u64, state: StateView) -> Self {
        Self { cluster: cluster.into(), own_id, state }
    }

    fn check_cluster(&self, request: &Request<()>) -> Result<(), Status> {
        match header(request, CLUSTER_KEY) {
            Some(theirs) if theirs == &*self.cluster => Ok(()),
            Some(theirs) => Err(refused(format!(
                "this is a director of the cluster {:?}, and you are of {theirs:?}: check `cluster` in the configuration",
                self.cluster
            ))),
            None => {
                Err(refused(format!("the metadata {CLUSTER_KEY} is missing: this port is for directors and agents")))
            }
        }
    }

    fn check_director(&self, request: &Request<()>) -> Result<(), Status> {
        let (Some(id), Some(store)) = (header(request, DIRECTOR_KEY), header(request, STORE_KEY)) else {
            return Ok(());
        };
        let id: u64 = id.parse().map_err(|_| refused(format!("{DIRECTOR_KEY} {id:?} is no number")))?;
        if id == self.own_id {
            return Err(refused(format!("you say that you are director {id}, and so am I: ids must differ")));
        }
        let state = self.state.read();
        let claimed =
            state.directors().values().find(|it| it.value.id.0 == id).and_then(|it| it.value.store_id.as_deref());
        match claimed {
            Some(known) if known != store => Err(refused(format!(
                "director {id} is the machine with the store {known}, and yours is {store}: a second machine with this id, or \
                 its store was lost; remove the director from the cluster and let it join under a new id"
            ))),
            _ => Ok(()),
        }
    }
}

fn header<'a>(request: &'a Request<()>, key: &str) -> Option<&'a str> {
    request.metadata().get(key).and_then(|value| value.to_str().ok())
}

fn refused(message: String) -> Status {
    tracing::warn!(%message, "refused a caller on the internal port");
    Status::failed_precondition(message)
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check_cluster(&request)?;
        self.check_director(&request)?;
        Ok(request)
    }
}
