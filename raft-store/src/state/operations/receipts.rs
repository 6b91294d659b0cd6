//! Failover receipts: what a plan did, completed by the directors that carried it out.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterId, FailoverReceipt, Name, PhaseTime, ReceiptMove, UnixMillis};

use super::homes::Moved;
use crate::state::Rejection;
use crate::state::draft::Draft;
use crate::state::limits::{MAX_FAILOVERS, MAX_PHASES};

/// Files a receipt under the revision of its plan. What the state knows better than the planner is filled in.
pub(super) fn create(
    draft: &mut Draft<'_>,
    receipt: &FailoverReceipt,
    moved: &BTreeMap<AdapterId, Moved>,
) -> Result<(), Rejection> {
    let moves = receipt.moves.iter().map(|step| {
        let done = moved.get(&step.adapter).ok_or(Rejection::ReceiptMismatch { adapter: step.adapter })?;
        Ok(ReceiptMove {
            adapter: step.adapter,
            resource: done.resource.clone(),
            from: done.from.clone(),
            to: done.home.director.clone(),
            epoch: done.home.epoch,
            carrying: step.carrying,
            announced: step.announced,
            phases: Vec::new(),
        })
    });
    let moves = moves.collect::<Result<Vec<_>, Rejection>>()?;
    let name = Name::new(format!("f-{}", draft.revision)).expect("a letter, a hyphen and digits are a name");
    drop_oldest(draft);
    draft.create(FailoverReceipt { name, committed: None, moves, ..receipt.clone() })
}

fn drop_oldest(draft: &mut Draft<'_>) {
    let receipts = &draft.record().failovers;
    let oldest = receipts.iter().min_by_key(|(_, receipt)| receipt.created).map(|(name, _)| name.clone());
    if receipts.len() >= MAX_FAILOVERS
        && let Some(oldest) = oldest
    {
        draft.remove::<FailoverReceipt>(&oldest);
    }
}

/// When each adapter was seen so.
type Seen = [(AdapterId, UnixMillis)];

/// Notes when a new home carried and announced its adapters, what the fences of vHBAs took, and when the director that
/// decided knew of the commit: a command cannot tell when it was committed itself. What was noted first stays.
pub(super) fn complete(
    draft: &mut Draft<'_>,
    failover: &Name,
    director: &Name,
    (carrying, announced): (&Seen, &Seen),
    phases: &[(AdapterId, Vec<PhaseTime>)],
    committed: Option<UnixMillis>,
) -> Result<(), Rejection> {
    let receipt = draft.edit::<FailoverReceipt>(failover)?;
    if *director == receipt.decided_by {
        receipt.committed = receipt.committed.or(committed);
    }
    let mut steps: BTreeMap<AdapterId, &mut ReceiptMove> =
        receipt.moves.iter_mut().filter(|step| step.to.as_ref() == Some(director)).map(|it| (it.adapter, it)).collect();
    let missing = |adapter: AdapterId| {
        let (failover, director) = (failover.clone(), director.clone());
        Rejection::NotInReceipt { failover, director, adapter }
    };
    for &(adapter, at) in carrying {
        steps.get_mut(&adapter).ok_or_else(|| missing(adapter))?.carrying.get_or_insert(at);
    }
    for &(adapter, at) in announced {
        steps.get_mut(&adapter).ok_or_else(|| missing(adapter))?.announced.get_or_insert(at);
    }
    for (adapter, phases) in phases {
        let step = steps.get_mut(adapter).ok_or_else(|| missing(*adapter))?;
        if step.phases.is_empty() {
            step.phases = phases.iter().take(MAX_PHASES).cloned().collect();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_s_name_is_a_name_for_every_revision() {
        for revision in [0, 1, u64::MAX] {
            assert!(Name::new(format!("f-{revision}")).is_ok());
        }
    }
}
