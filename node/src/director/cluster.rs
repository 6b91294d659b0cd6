//! The cluster as the API sees it: one handle on any director, which does here what can be done here and asks the leader
//! for the rest.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use parking_lot::MappedRwLockReadGuard;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use twinrail_proto::domain::{AdapterId, AdapterKind, AdminState, Name, Revision};
use twinrail_raft_store::raft::TypeConfig;
use twinrail_raft_store::state::{Applied, Operation, Rejection, RequestId, State};
use twinrail_raft_store::store::RevisionEvents;

use super::agents::{DeviceState, VhbaReport};
use super::core::Core;
use super::feed::watch;
use super::leader::{AskError, LeaderRequest, NotLeader};
use super::status::ClusterStatus;

/// What a client wants. An operation is committed as it is; the others need a plan, which the leader makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Intent {
    Apply(Operation),
    /// Moves one adapter to another director.
    MoveHome {
        profile: Name,
        kind: AdapterKind,
        adapter: Name,
        to: Name,
        if_match: Option<Revision>,
    },
    /// Spreads homes anew over the active directors.
    Rebalance,
    /// Drains a director or ends that: the leader makes an `UpdateDirector` of what the director is then.
    SetAdminState {
        director: Name,
        admin_state: AdminState,
        if_match: Option<Revision>,
    },
    /// `None`: whoever is fit.
    TransferLeadership {
        to: Option<Name>,
    },
}

#[derive(Clone, Debug)]
pub struct Call {
    pub intent: Intent,
    pub request_id: Option<RequestId>,
    pub actor: String,
    /// Returns the plan and its predicted effects; changes nothing.
    pub validate_only: bool,
    pub deadline: Instant,
}

#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum CallError {
    #[error(transparent)]
    Rejected(Rejection),
    #[error(
        "no leader for {waited:?}: fewer than half of the directors can reach each other; see `twinrail cluster show`"
    )]
    NoLeader { waited: Duration },
    #[error(
        "the deadline passed before the answer came; the change may or may not have been made: repeat the call with the same request_id"
    )]
    DeadlineExceeded,
    #[error("{0}")]
    InvalidTarget(String),
    #[error("the store of this director failed: {0}")]
    Storage(String),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    #[error(
        "the events before revision {oldest} are compacted: list the resources, then watch from the revision of the list"
    )]
    Compacted { oldest: Revision },
    #[error("the watcher was too slow and missed events: watch again from the last revision that arrived")]
    Lagged,
}

/// How long a call waits before it looks again for a leader when nothing says that there is one.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// How long one attempt to reach the leader may take before the next is made; the call itself goes on to its deadline.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The replicated state, locked for reading: keep it short, and never across an await.
pub struct StateRef<'a>(MappedRwLockReadGuard<'a, State>);

impl Deref for StateRef<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

/// One handle on the cluster, cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    core: Arc<Core>,
}

impl Cluster {
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Does what the client wants, wherever the leader is. Keeps trying over an election until the deadline: every attempt
    /// carries the same request id, so that a change whose answer was lost is not made twice.
    pub async fn call(&self, call: Call) -> Result<Applied, CallError> {
        let request_id = call.request_id.clone().unwrap_or_else(|| RequestId(uuid::Uuid::new_v4().to_string()));
        let request =
            LeaderRequest { intent: call.intent, request_id, actor: call.actor, validate_only: call.validate_only };
        let started = Instant::now();
        let mut leaders = Leaders::of(&self.core);
        let mut asked = false;
        loop {
            match self.attempt(&request, call.deadline).await {
                Attempt::Answered(answer) => return answer,
                Attempt::NoLeader => {}
                Attempt::Lost => asked = true,
            }
            leaders.wait(call.deadline).await;
            if Instant::now() >= call.deadline {
                return Err(match asked {
                    true => CallError::DeadlineExceeded,
                    false => CallError::NoLeader { waited: started.elapsed() },
                });
            }
        }
    }

    async fn attempt(&self, request: &LeaderRequest, deadline: Instant) -> Attempt {
        let timeout = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        match self.core.leader() {
            None => Attempt::NoLeader,
            Some(leader) if leader == self.core.own => {
                match tokio::time::timeout(timeout, self.core.lead(request)).await {
                    Ok(Ok(answer)) => Attempt::Answered(answer),
                    Ok(Err(NotLeader)) => Attempt::NoLeader,
                    Err(_) => Attempt::Lost,
                }
            }
            Some(leader) => match self.core.ask_leader(&leader, request, timeout).await {
                Ok(answer) => Attempt::Answered(answer),
                Err(AskError::NotLeader) => Attempt::NoLeader,
                Err(AskError::Lost) => Attempt::Lost,
            },
        }
    }

    /// The state as it is now: linearizable (Raft's ReadIndex), unless the caller is content with what this director has.
    pub async fn read(&self, stale_ok: bool, deadline: Instant) -> Result<StateRef<'_>, CallError> {
        if !stale_ok {
            self.catch_up(deadline).await?;
        }
        Ok(StateRef(self.core.state.read()))
    }

    async fn catch_up(&self, deadline: Instant) -> Result<(), CallError> {
        let started = Instant::now();
        let mut leaders = Leaders::of(&self.core);
        loop {
            let timeout = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
            let index = match self.core.leader() {
                None => None,
                Some(leader) if leader == self.core.own => {
                    tokio::time::timeout(timeout, self.core.read_index()).await.ok().and_then(Result::ok)
                }
                Some(leader) => self.core.ask_read_index(&leader, timeout).await,
            };
            if let Some(index) = index
                && tokio::time::timeout_at(deadline, self.core.applied(index)).await.is_ok()
                && self.core.founded()
            {
                return Ok(());
            }
            leaders.wait(deadline).await;
            if Instant::now() >= deadline {
                return Err(CallError::NoLeader { waited: started.elapsed() });
            }
        }
    }

    /// The events after a revision (`None`: from now on), in order, without a gap.
    pub fn watch(
        &self,
        after: Option<Revision>,
    ) -> Result<BoxStream<'static, Result<Arc<RevisionEvents>, WatchError>>, WatchError> {
        watch(&self.core.state, after)
    }

    /// This director.
    pub fn own(&self) -> &Name {
        &self.core.own
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// A vHBA as the agent of this server has it.
    pub fn vhba(&self, server: &Name, adapter: AdapterId) -> Option<VhbaReport> {
        self.core.agents.vhba(server, adapter)
    }

    /// How an adapter's device is on this server, as this director was told.
    pub fn device(&self, server: &Name, adapter: AdapterId) -> DeviceState {
        self.core.agents.device(server, adapter)
    }

    pub async fn status(&self) -> ClusterStatus {
        self.core.status()
    }
}

/// What Raft says of who leads, from one attempt to the next. It is one receiver for the whole call: a fresh one has not seen
/// what there is, and would not wait at all.
struct Leaders(WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>);

impl Leaders {
    fn of(core: &Core) -> Self {
        Self(core.raft.server_metrics())
    }

    /// Waits for news, and not for long: what is not of Raft may have changed, too.
    async fn wait(&mut self, deadline: Instant) {
        let next = (Instant::now() + LOOK_AGAIN).min(deadline);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            _ = self.0.changed() => {}
        }
    }
}

enum Attempt {
    Answered(Result<Applied, CallError>),
    /// Nobody led, so nothing was done.
    NoLeader,
    /// The leader was asked and did not answer: it may have been done.
    Lost,
}
