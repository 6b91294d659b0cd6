//! grpc.health.v1: `""` says whether this director reaches a quorum, `twinrail.carrying` whether it may carry. A director
//! that is cut off from the others is NOT_SERVING in both once its lease has ended.

use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::core::SharedCore;
use crate::api::HEALTH_CARRYING;

const LOOK_EVERY: Duration = Duration::from_millis(50);

pub async fn report_health(core: SharedCore, reporter: HealthReporter) {
    let mut said = None;
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        let leased = core.leases.own_lease_left().is_some();
        let now = (core.leader().is_some() && leased, leased && core.datapath.carrying());
        if said == Some(now) {
            continue;
        }
        if said.is_some_and(|(_, carried)| carried != now.1) || said.is_none() {
            tracing::info!(
                carrying = now.1,
                "the lease {}",
                if now.1 { "runs" } else { "has ended, or has not begun" }
            );
        }
        said = Some(now);
        reporter.set_service_status("", status(now.0)).await;
        reporter.set_service_status(HEALTH_CARRYING, status(now.1)).await;
    }
}

fn status(serving: bool) -> ServingStatus {
    match serving {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    }
}
