//! The Raft group follows the replicated list of directors: the leader makes a voter of each director that was added,
//! once it has caught up, and removes those that were deleted. One change at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use twinrail_failover::Standing;
use twinrail_raft_store::raft::Peer;

use super::core::{Core, SharedCore};

/// A new director votes when it is at most so many entries behind.
const CAUGHT_UP: u64 = 100;
/// How often the two lists are compared beside the times when something changed.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

pub async fn follow_directors(core: SharedCore) {
    let mut work = core.work.subscribe();
    loop {
        let _ = tokio::time::timeout(COMPARE_EVERY, work.changed()).await;
        if core.leads()
            && let Err(error) = step(&core).await
        {
            tracing::warn!(%error, "the Raft group could not be changed yet");
            tokio::time::sleep(COMPARE_EVERY).await;
        }
    }
}

/// Makes the first change that is due, if any.
async fn step(core: &Core) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let wanted: BTreeSet<u64> = {
        let state = core.state.read();
        // The name is written down last: before it, the list of directors is not whole.
        if state.cluster().is_none() {
            return Ok(());
        }
        state.directors().values().map(|it| it.value.id.0).collect()
    };
    if !wanted.contains(&core.own_id) {
        // A leader does not vote itself out: another one does that.
        if let Some(heir) = core.best_leader() {
            core.hand_over(&heir).await;
        }
        return Ok(());
    }
    let (voters, members, newest, matched) = {
        let metrics = core.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let members: BTreeSet<u64> = membership.nodes().map(|(id, _)| *id).collect();
        (voters, members, metrics.last_log_index.unwrap_or(0), metrics.replication.clone().unwrap_or_default())
    };
    if let Some(&id) = wanted.difference(&members).next() {
        tracing::info!(id, "a director joins the Raft group as a learner");
        core.raft.add_learner(id, Peer::default(), false).await?;
        return Ok(());
    }
    // One that was never reached has matched nothing: a vote for it would only make the quorum larger.
    let caught_up = |id: &u64| {
        let reached = core.members.name_of(*id).is_some_and(|name| core.liveness.standing(&name) == Standing::Trusted);
        let matched = matched.get(id).and_then(|it| it.as_ref());
        reached && matched.is_some_and(|log| log.index + CAUGHT_UP >= newest)
    };
    let mut target: BTreeSet<u64> = voters.intersection(&wanted).copied().collect();
    target.extend(wanted.difference(&voters).filter(|id| caught_up(id)));
    if target != voters && !target.is_empty() {
        tracing::info!(from = ?voters, to = ?target, "the voters of the Raft group change");
        core.raft.change_membership(target, false).await?;
    }
    Ok(())
}
