//! The leader's work: makes the homes fit the world, one plan at a time, and ends releases. Level-triggered: each turn
//! looks at everything and does what is due, so that a new leader needs no history.
//!
//! ```text
//!   a verdict of the detector ─┐
//!   an applied revision ───────┼──▶ turn: lost → uplinks → drained → paths lost → homeless → releases ──▶ Raft commands
//!   an agent's word, a lease ──┘
//! ```

use std::time::Duration;

use tracing::Instrument;
use twinrail_failover::Moment;
use twinrail_failover::placement::{self, Plan, View};
use twinrail_proto::domain::{AdminState, DirectorRole, FailoverCause, HomeMove, Name, ReceiptMove};
use twinrail_raft_store::state::Operation;

use super::core::{Core, SharedCore};
use super::leader::NotLeader;
use super::liveness::Loss;
use super::planning::note;
use super::receipt::{receipt, receipt_moves};
use super::uplinks::lost_uplinks;
use crate::clock;

/// Beside the times when something happened.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a turn the reconciler rests for so many times what the turn took, unless somebody is lost, or a server has let a
/// profile go, which nobody carries until its release has ended: a burst of API calls must not make it plan all the time.
const REST_FACTOR: u32 = 4;
const LEAST_REST: Duration = Duration::from_millis(2);

pub async fn reconcile(core: SharedCore) {
    let mut work = core.work.subscribe();
    let mut verdicts = core.liveness.changed();
    loop {
        let started = tokio::time::Instant::now();
        let mut deadline = None;
        if core.leads() {
            match turn(&core).await {
                Ok(next) => deadline = next,
                Err(NotLeader) => {
                    tracing::debug!("the leadership went, or is being handed over, while a plan was committed");
                    // An heir that died before it took over leaves a leader that may not write: it needs another heir.
                    step_aside(&core).await;
                }
            }
        }
        let rest = LEAST_REST.max(started.elapsed() * REST_FACTOR);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = verdicts.changed() => continue,
            () = core.agents.let_go() => continue,
        }
        tokio::select! {
            _ = work.changed() => {}
            _ = verdicts.changed() => {}
            () = core.agents.let_go() => {}
            () = clock::sleep_until(deadline) => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Does everything that is due. Says when it must look again even if nothing happens.
async fn turn(core: &SharedCore) -> Result<Option<Moment>, NotLeader> {
    let gathering = core.liveness.gathering();
    match gathering {
        _ if !core.liveness.hears_majority() => tracing::debug!("no plan can be committed now"),
        Some(_) => tracing::debug!("directors are coming back: homes wait for them"),
        None => place(core).await?,
    }
    step_aside(core).await;
    let releases = super::releases::step(core).await?;
    Ok(gathering.into_iter().chain(releases).min())
}

/// Makes the homes fit the world.
async fn place(core: &SharedCore) -> Result<(), NotLeader> {
    for (director, loss) in core.liveness.lost() {
        change(core, FailoverCause::DirectorLost(director.clone()), Some(loss), |view| {
            placement::on_director_lost(view, &director)
        })
        .await?;
    }
    for (director, lan, trouble) in lost_uplinks(core) {
        let loss = Loss { last_seen: trouble.since, detected: trouble.since };
        let cause = FailoverCause::UplinkLost { director: director.clone(), lan: lan.clone() };
        change(core, cause, Some(loss), |view| placement::on_uplink_lost(view, &director, &lan)).await?;
    }
    for director in drained(core) {
        change(core, FailoverCause::Drain(director.clone()), None, |view| placement::drain(view, &director)).await?;
    }
    for ((server, director), loss) in core.liveness.take_paths_lost() {
        let cause = FailoverCause::PathsLost { server: server.clone(), director: director.clone() };
        change(core, cause, Some(loss), |view| placement::on_paths_lost(view, &server, &director)).await?;
    }
    change(core, FailoverCause::Homeless, None, placement::refresh).await
}

fn drained(core: &Core) -> Vec<Name> {
    let state = core.state.read();
    let drained = state.directors().values().filter(|it| it.value.admin_state == AdminState::Drained);
    drained.map(|it| it.value.name.clone()).collect()
}

/// Plans, commits, and leaves a receipt where adapters that had a home got another one.
async fn change(
    core: &SharedCore,
    cause: FailoverCause,
    loss: Option<Loss>,
    plan: impl FnOnce(&View<'_>) -> Plan,
) -> Result<(), NotLeader> {
    let (plan, moved) = core.with_view(|state, view| {
        let plan = plan(view);
        let moved = receipt_moves(state, &plan.moves);
        (plan, moved)
    });
    if !plan.moves.is_empty() {
        let span =
            tracing::info_span!("failover", director = %core.own, cause = %note(&cause), adapters = plan.moves.len());
        commit_moves(core, cause.clone(), loss, plan.moves, moved).instrument(span).await?;
    }
    if !plan.successors.is_empty() {
        let operation =
            Operation::ChangeHomes { cause_note: "succession".to_owned(), moves: plan.successors, receipt: None };
        commit(core, operation).await?;
    }
    Ok(())
}

async fn commit_moves(
    core: &SharedCore,
    cause: FailoverCause,
    loss: Option<Loss>,
    moves: Vec<HomeMove>,
    moved: Vec<ReceiptMove>,
) -> Result<(), NotLeader> {
    let receipt = receipt(&core.own, cause.clone(), loss, moved);
    let count = moves.len();
    tracing::info!(cause = %note(&cause), adapters = count, "decided");
    let operation = Operation::ChangeHomes { cause_note: note(&cause), moves, receipt };
    if commit(core, operation).await? {
        tracing::info!(cause = %note(&cause), adapters = count, "committed");
    }
    Ok(())
}

/// Whether it was accepted. A rejection means that the plan was made from a state that has moved on: the next turn plans anew.
async fn commit(core: &SharedCore, operation: Operation) -> Result<bool, NotLeader> {
    match core.propose(core.own_command(operation)).await? {
        Ok(_) => Ok(true),
        Err(error) => {
            tracing::info!(%error, "a plan was refused");
            core.wake_reconciler();
            Ok(false)
        }
    }
}

/// A drained director, or a witness while another could, gives the leadership away.
async fn step_aside(core: &SharedCore) {
    let unfit = {
        let state = core.state.read();
        let own = state.directors().get(&core.own).map(|it| (it.value.role, it.value.admin_state));
        own.is_some_and(|(role, admin)| role == DirectorRole::Witness || admin == AdminState::Drained)
    };
    if unfit && let Some(heir) = core.best_leader() {
        core.hand_over(&heir).await;
    }
}
