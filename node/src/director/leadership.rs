//! Giving the leadership to another director, before maintenance or when asked.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use twinrail_failover::Standing;
use twinrail_proto::domain::{AdminState, DirectorRole, Name, ResourceKey, ResourceKind};
use twinrail_raft_store::state::{Applied, Rejection};

use super::cluster::CallError;
use super::core::Core;
use super::leader::NotLeader;

/// How long a transfer may take before the leader tells the client that it did not come about.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the heir is given before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

impl Core {
    /// Who should lead if this director must not: alive, not drained; a witness only when there is nobody else.
    pub fn best_leader(&self) -> Option<Name> {
        let state = self.state.read();
        let fit = state.directors().values().map(|it| &it.value).filter(|it| {
            it.name != self.own
                && it.admin_state == AdminState::Enabled
                && self.liveness.standing(&it.name) == Standing::Trusted
        });
        let best = fit.min_by_key(|it| (it.role == DirectorRole::Witness, it.id))?;
        Some(best.name.clone())
    }

    /// Starts a transfer; returns when another leads or the time is over. Says whether it came about.
    pub async fn hand_over(&self, to: &Name) -> bool {
        let Some(id) = self.members.id_of(to) else { return false };
        tracing::info!(%to, "handing the leadership over");
        let handed = tokio::time::timeout(TRANSFER_TIMEOUT, self.transfer_until_gone(id));
        tokio::select! {
            handed = handed => handed.unwrap_or(false),
            () = self.lost(to) => false,
        }
    }

    /// Asks again and again: an heir whose disk has not written the newest entry yet declines, and until somebody takes over
    /// nobody can write.
    async fn transfer_until_gone(&self, id: u64) -> bool {
        let own = self.own_id;
        let mut metrics = self.raft.server_metrics();
        loop {
            if self.raft.trigger().transfer_leader(id).await.is_err() {
                return false;
            }
            let gone = metrics.wait_until(|it| it.current_leader.is_some_and(|leader| leader != own));
            if let Ok(gone) = tokio::time::timeout(ASK_AGAIN, gone).await {
                return gone.is_ok();
            }
        }
    }

    /// Returns when this director is lost.
    async fn lost(&self, director: &Name) {
        let mut verdicts = self.liveness.changed();
        while self.liveness.standing(director) != Standing::Lost {
            if verdicts.changed().await.is_err() {
                return;
            }
        }
    }

    /// The API's transfer: changes nothing in the replicated state, so its answer has no effects.
    pub async fn transfer_leadership(
        &self,
        to: Option<&Name>,
        validate_only: bool,
    ) -> Result<Result<Applied, CallError>, NotLeader> {
        self.read_index().await?;
        let revision = self.state.read().revision();
        let done = Applied { revision, replayed: false, events: Vec::new(), effects: Vec::new() };
        let target = match to {
            Some(name) if *name == self.own => return Ok(Ok(done)),
            Some(name) => match self.fit_to_lead(name) {
                Ok(()) => name.clone(),
                Err(error) => return Ok(Err(error)),
            },
            None => match self.best_leader() {
                Some(name) => name,
                None => return Ok(Err(CallError::InvalidTarget("no other director is fit to lead now".to_owned()))),
            },
        };
        if validate_only {
            return Ok(Ok(done));
        }
        Ok(match self.hand_over(&target).await {
            true => Ok(done),
            false => Err(CallError::InvalidTarget(format!(
                "director '{target}' did not take the leadership within {TRANSFER_TIMEOUT:?}; {} still leads",
                self.own
            ))),
        })
    }

    fn fit_to_lead(&self, name: &Name) -> Result<(), CallError> {
        if !self.state.read().directors().contains_key(name) {
            let key = ResourceKey { kind: ResourceKind::Director, name: name.clone() };
            return Err(CallError::Rejected(Rejection::NotFound { key, field: None }));
        }
        match self.liveness.standing(name) {
            Standing::Trusted => Ok(()),
            Standing::Doubted | Standing::Lost => {
                Err(CallError::InvalidTarget(format!("director '{name}' is not reached on any rail now")))
            }
        }
    }
}
