//! The receipt of a plan: what it moves and why, for `twinrail failover list`. Its name and its epochs are filled in when it is
//! committed, the times of its execution when the new homes report them.

use twinrail_proto::domain::{AdapterKind, Epoch, FailoverCause, FailoverReceipt, HomeMove, Name, ReceiptMove};
use twinrail_raft_store::state::State;

use super::core::unix_millis;
use super::liveness::Loss;
use crate::telemetry;

/// What the moves do, as of the state from which they were planned. One that changes only successors moves nothing.
pub fn receipt_moves(state: &State, moves: &[HomeMove]) -> Vec<ReceiptMove> {
    let moves = moves.iter().filter_map(|it| {
        let (profile, adapter) = state.adapter(it.adapter)?;
        if adapter.home.director == it.to {
            return None;
        }
        let kind = match adapter.kind {
            AdapterKind::Vnic => "vnics",
            AdapterKind::Vhba => "vhbas",
        };
        Some(ReceiptMove {
            adapter: it.adapter,
            resource: format!("profiles/{}/{kind}/{}", profile.name, adapter.name),
            from: adapter.home.director.clone(),
            to: it.to.clone(),
            epoch: Epoch(0),
            carrying: None,
            announced: None,
            phases: Vec::new(),
        })
    });
    moves.collect()
}

/// None where no adapter had a home before: that is a first placement, and no failover. A planned move has lost nothing: its
/// times begin with the call.
pub fn receipt(
    decided_by: &Name,
    cause: FailoverCause,
    loss: Option<Loss>,
    moves: Vec<ReceiptMove>,
) -> Option<Box<FailoverReceipt>> {
    let now = unix_millis();
    let loss = loss.unwrap_or(Loss { last_seen: now, detected: now });
    moves.iter().any(|it| it.from.is_some()).then(|| {
        Box::new(FailoverReceipt {
            name: "f-0".parse().expect("a valid name"),
            cause,
            decided_by: decided_by.clone(),
            last_seen: loss.last_seen,
            detected: loss.detected,
            decided: now,
            committed: None,
            moves,
            trace_id: telemetry::trace_id(&tracing::Span::current()),
        })
    })
}
