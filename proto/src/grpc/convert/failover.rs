use crate::domain::{FailoverCause, FailoverReceipt, Name, PhaseTime, ReceiptMove, ResourceKind};
use crate::grpc::v1;

use super::{Stamp, etag, reference, resource_name, timestamp};

pub fn write_failover(receipt: &FailoverReceipt, stamp: Stamp) -> v1::Failover {
    let FailoverReceipt { name, cause, decided_by, last_seen, detected, decided, committed, moves, trace_id } = receipt;
    v1::Failover {
        name: resource_name(ResourceKind::Failover, name),
        cause: Some(write_cause(cause)),
        decided_by: director(decided_by),
        last_seen_time: Some(timestamp(*last_seen)),
        detect_time: Some(timestamp(*detected)),
        decide_time: Some(timestamp(*decided)),
        commit_time: committed.map(timestamp),
        moves: moves.iter().map(write_move).collect(),
        trace_id: trace_id.clone().unwrap_or_default(),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

fn director(name: &Name) -> String {
    resource_name(ResourceKind::Director, name)
}

fn write_cause(cause: &FailoverCause) -> v1::failover::Cause {
    use v1::failover::{Cause, Homeless, Operator, PathsLost, Rebalance, UplinkLost};
    match cause {
        FailoverCause::DirectorLost(name) => Cause::DirectorLost(director(name)),
        FailoverCause::PathsLost { server, director: name } => Cause::PathsLost(PathsLost {
            server: resource_name(ResourceKind::Server, server),
            director: director(name),
        }),
        FailoverCause::UplinkLost { director: name, lan } => {
            Cause::UplinkLost(UplinkLost { director: director(name), lan: resource_name(ResourceKind::Lan, lan) })
        }
        FailoverCause::Drain(name) => Cause::Drain(director(name)),
        FailoverCause::Rebalance => Cause::Rebalance(Rebalance {}),
        FailoverCause::Operator => Cause::Operator(Operator {}),
        FailoverCause::Homeless => Cause::Homeless(Homeless {}),
    }
}

fn write_move(step: &ReceiptMove) -> v1::AdapterMove {
    let ReceiptMove { adapter, resource, from, to, epoch, carrying, announced, phases } = step;
    v1::AdapterMove {
        adapter_id: adapter.0,
        resource: resource.clone(),
        from: reference(ResourceKind::Director, from.as_ref()),
        to: reference(ResourceKind::Director, to.as_ref()),
        epoch: epoch.0,
        carry_time: carrying.map(timestamp),
        announce_time: announced.map(timestamp),
        phases: phases.iter().map(|PhaseTime { phase, ms }| v1::PhaseTime { phase: phase.clone(), ms: *ms }).collect(),
    }
}
