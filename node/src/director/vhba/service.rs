//! What other directors ask the home of vHBAs.

use std::time::Duration;

use tonic::{Request, Response, Status};
use twinrail_datapath::{Nanos, monotonic_ns};
use twinrail_failover::takeover::Phase;
use twinrail_proto::domain::AdapterId;
use twinrail_proto::grpc::internal::v1::home_service_server::HomeService;
use twinrail_proto::grpc::internal::v1::{
    PhaseTime, RescanRequest, RescanResponse, VhbaSession, VhbaSessionsRequest, VhbaSessionsResponse,
};

use super::Facts;
use crate::director::core::SharedCore;

pub struct HomeEndpoint {
    core: SharedCore,
}

impl HomeEndpoint {
    pub fn new(core: SharedCore) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl HomeService for HomeEndpoint {
    async fn vhba_sessions(
        &self,
        request: Request<VhbaSessionsRequest>,
    ) -> Result<Response<VhbaSessionsResponse>, Status> {
        let facts = self.core.vhbas.facts();
        let asked = request.into_inner().adapters;
        let known = asked.into_iter().filter_map(|it| Some(session(AdapterId(it), facts.get(&AdapterId(it))?)));
        Ok(Response::new(VhbaSessionsResponse { sessions: known.collect() }))
    }

    async fn rescan(&self, request: Request<RescanRequest>) -> Result<Response<RescanResponse>, Status> {
        let adapter = AdapterId(request.into_inner().adapter);
        match self.core.vhbas.rescan(adapter) {
            true => Ok(Response::new(RescanResponse {})),
            false => Err(Status::not_found(format!("{} is not the home of adapter {adapter}", self.core.own))),
        }
    }
}

fn session(adapter: AdapterId, facts: &Facts) -> VhbaSession {
    let Facts {
        epoch,
        phase,
        phase_since,
        problem,
        luns,
        counters,
        logins,
        sessions_lost,
        held,
        target,
        phases,
        admitted: _,
    } = facts;
    VhbaSession {
        adapter: adapter.0,
        epoch: epoch.0,
        phase: (*phase).to_owned(),
        phase_ms: milliseconds(Duration::from_nanos(since(*phase_since))),
        problem: problem.clone(),
        luns: luns.iter().filter_map(|it| it.number()).map(u32::from).collect(),
        commands: counters.commands,
        read_octets: counters.read_octets,
        written_octets: counters.written_octets,
        logins: *logins,
        sessions_lost: *sessions_lost,
        held: *held,
        target: target.clone(),
        phases: phase_times(phases),
    }
}

fn since(earlier: Nanos) -> Nanos {
    monotonic_ns().saturating_sub(earlier)
}

/// As receipts and sessions show them.
pub fn phase_times(phases: &[(Phase, Duration)]) -> Vec<PhaseTime> {
    phases.iter().map(|(phase, took)| PhaseTime { phase: phase.name().to_owned(), ms: milliseconds(*took) }).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
