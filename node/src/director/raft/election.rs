use openraft::async_runtime::WatchReceiver;
use openraft::raft::TransferLeaderRequest;
use twinrail_failover::election::{Candidacy, Courtesy, Election, ElectionView, LastLeader, Voter};
use twinrail_proto::domain::{DirectorId, Name};

use crate::clock;
use crate::director::core::{Core, SharedCore};

/// Stands for election as soon as the rails say that the leader is dead, in turn with the other survivors. Raft's own
/// leader lease is set aside for it, as in a leadership transfer (Raft dissertation, 4.2.3): that lease is there so that nobody
/// disturbs a leader who lives, and this one is known to be dead; what must not be carried twice is kept apart by our own
/// leases and epochs, and linearizable reads ask a quorum.
pub async fn watch_leader(core: SharedCore) {
    let mut election = Election::default();
    let mut metrics = core.raft.server_metrics();
    let mut verdicts = core.liveness.changed();
    // Once a candidate has stood in vain Raft knows of no leader, and the next one's turn comes all the same.
    let mut last_leader = LastLeader::default();
    let mut courtesy = Courtesy::default();
    loop {
        if let Some(lost) = stand_now(&core, &mut election, &mut last_leader) {
            stand(&core, lost, &mut courtesy).await;
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            _ = verdicts.changed() => {}
            () = clock::sleep_until(election.next_deadline()) => {}
        }
        core.wake_reconciler();
    }
}

/// The leader that is lost, if this director's turn has come.
fn stand_now(core: &Core, election: &mut Election, last_leader: &mut LastLeader) -> Option<Option<DirectorId>> {
    let members = core.members.all();
    let (leader, voter_ids) = {
        let metrics = core.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let voters: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
        (metrics.current_leader.and_then(|id| core.members.name_of(id)), voters)
    };
    let voters: Vec<Voter<'_>> = members
        .iter()
        .filter(|(_, member)| voter_ids.contains(&member.id))
        .map(|(name, member)| voter(core, name, member))
        .collect();
    let view = ElectionView { me: &core.own, voters: &voters, leader: last_leader.of(&core.own, leader.as_ref()) };
    let lost = view.leader.and_then(|it| members.get(it)).map(|it| DirectorId(it.id));
    election.step(&view, clock::now()).map(|_| lost)
}

fn voter<'a>(core: &Core, name: &'a Name, member: &crate::director::members::Member) -> Voter<'a> {
    Voter { name, id: DirectorId(member.id), role: member.role, standing: core.liveness.standing(name) }
}

async fn stand(core: &Core, lost: Option<DirectorId>, courtesy: &mut Courtesy) {
    // Not the metrics' vote: those know what is on disk, and the transfer is only taken with what Raft holds now.
    let Ok(vote) = core.raft.with_raft_state(|state| *state.vote_ref()).await else { return };
    let given = Candidacy { term: vote.leader_id.term, candidate: DirectorId(vote.leader_id.node_id) };
    let another = given.candidate != DirectorId(core.own_id) && Some(given.candidate) != lost;
    if courtesy.leaves_out(Some(given).filter(|_| another)) {
        tracing::info!(term = given.term, to = given.candidate.0, "the vote is given already: waiting a round");
        return;
    }
    tracing::info!(term = vote.leader_id.term, "the leader is lost: standing for election");
    let request = TransferLeaderRequest::new(vote, core.own_id, None);
    match core.raft.handle_transfer_leader(request).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::info!(%error, "standing without setting the lease aside");
            if let Err(error) = core.raft.trigger().elect(false).await {
                tracing::warn!(%error, "cannot stand for election");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot stand for election"),
    }
}
