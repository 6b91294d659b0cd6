//! The lease, both sides: this director asks the leader for its own, and grants others theirs while it leads. The rules
//! are in `failover::lease`; here are the messages.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use twinrail_datapath::Grant;
use twinrail_failover::lease::{Grantor, Holder, RENEW_EVERY};
use twinrail_proto::domain::{AdapterId, Name, PhaseTime, Revision, UnixMillis};
use twinrail_proto::grpc::internal::v1::{
    self as wire, AdapterPhases, AdapterTime, CarriageReport, RenewLeaseRequest, RenewLeaseResponse,
};
use twinrail_raft_store::state::{Command, Operation};

use super::core::{Core, SharedCore, unix_millis};
use super::leader::NotLeader;
use crate::clock;

/// How long a renewal may take. Later ones are under way by then, and an old grant gives little.
const RENEW_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a grant waits until this director has caught up; by then newer grants are under way.
const CATCH_UP: Duration = Duration::from_secs(1);
/// After its tables changed a director says so at once; many changes in a row are said together.
const PUBLISH_PAUSE: Duration = Duration::from_millis(2);

pub struct LeaseBook {
    holder: Mutex<Holder>,
    /// While this director leads: the term in which it does, and what it granted.
    grantor: Mutex<Option<(u64, Grantor)>>,
    lease: Duration,
    /// What each director said last: the revision that its datapath has put into force.
    enforced: Mutex<std::collections::BTreeMap<Name, Revision>>,
}

impl LeaseBook {
    pub fn new(lease: Duration) -> Self {
        Self { holder: Mutex::new(Holder::new(lease)), grantor: Mutex::default(), lease, enforced: Mutex::default() }
    }

    /// How long this director may still carry; `None`: it may not.
    pub fn own_lease_left(&self) -> Option<Duration> {
        let now = clock::now();
        let holder = self.holder.lock();
        holder.carry_until_if_caught_up().filter(|&until| now < until).map(|until| until.since(now))
    }

    /// The revision that the director's datapath has put into force, as it said last.
    pub fn enforced_by(&self, director: &Name) -> Option<Revision> {
        self.enforced.lock().get(director).copied()
    }

    /// What this director has granted as the leader in `term`.
    pub fn with_grantor<T>(&self, term: u64, act: impl FnOnce(&mut Grantor) -> T) -> T {
        let mut grantor = self.grantor.lock();
        let fresh = grantor.as_ref().is_none_or(|(known, _)| *known != term);
        if fresh {
            // Later than the election by however long it took to get here: the wait only grows.
            *grantor = Some((term, Grantor::became_leader(self.lease, clock::now())));
            self.enforced.lock().clear();
        }
        let (_, grantor) = grantor.as_mut().expect("it was just put there");
        act(grantor)
    }
}

impl Core {
    /// The leader's side: a quorum confirms first that this director still leads.
    pub async fn grant_lease(&self, request: RenewLeaseRequest) -> Result<RenewLeaseResponse, NotLeader> {
        let commit = self.read_index().await?;
        let term = self.term();
        let Some(director) = self.members.name_of(request.director_id) else { return Err(NotLeader) };
        let enforced = Revision(request.enforced_revision);
        if self.leases.enforced.lock().insert(director.clone(), enforced) != Some(enforced) {
            self.wake_reconciler();
        }
        if director != self.own && self.uplinks.heard(&director, &request.uplinks) {
            self.wake_reconciler();
        }
        if self.releases.withholds_from(&director) {
            tracing::warn!(%director, "gets no lease: it has not put a release into force");
            return Err(NotLeader);
        }
        self.leases.with_grantor(term, |grantor| grantor.on_granted(&director, clock::now()));
        for report in request.reports {
            self.complete_receipt(&director, report).await?;
        }
        let (lease_ms, uplinks) = (self.config.timing.lease_ms as u32, self.uplinks.spread());
        Ok(RenewLeaseResponse { revision: commit.0, lease_ms, uplinks })
    }

    /// What a new home says of a failover becomes part of its receipt.
    async fn complete_receipt(&self, director: &Name, report: CarriageReport) -> Result<(), NotLeader> {
        let Ok(failover) = Name::new(report.failover) else { return Ok(()) };
        let operation = Operation::CompleteReceipt {
            failover,
            director: director.clone(),
            carrying: adapter_times(&report.carrying),
            announced: adapter_times(&report.announced),
            phases: report.phases.into_iter().map(adapter_phases).collect(),
            committed: report.committed,
        };
        if let Err(error) = self.propose(self.own_command(operation)).await? {
            tracing::debug!(%error, %director, "a receipt was not completed");
        }
        Ok(())
    }

    /// A command that this director makes by itself.
    pub fn own_command(&self, operation: Operation) -> Command {
        Command { request_id: None, at: unix_millis(), actor: format!("director {}", self.own), intent: 0, operation }
    }

    pub fn term(&self) -> u64 {
        self.raft.server_metrics().borrow_watched().vote.leader_id.term
    }
}

fn adapter_phases(AdapterPhases { adapter, phases }: AdapterPhases) -> (AdapterId, Vec<PhaseTime>) {
    let phases = phases.into_iter().map(|wire::PhaseTime { phase, ms }| PhaseTime { phase, ms });
    (AdapterId(adapter), phases.collect())
}

fn adapter_times(times: &[AdapterTime]) -> Vec<(AdapterId, UnixMillis)> {
    times.iter().map(|it| (AdapterId(it.adapter), it.at)).collect()
}

/// Renews this director's lease for as long as the task runs. Each renewal is a task of its own, so that one that
/// hangs does not keep the next from being asked.
pub async fn keep_lease(core: SharedCore) {
    let mut every = tokio::time::interval(RENEW_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let enforced = core.carriage.enforced();
    let mut published = core.carriage.published();
    let mut uplinks = core.uplinks.own_changed();
    loop {
        tokio::select! {
            _ = every.tick() => {}
            Ok(()) = uplinks.changed() => {}
            Ok(()) = published.changed() => {
                tokio::time::sleep(PUBLISH_PAUSE).await;
                published.mark_unchanged();
            }
            () = core.vhbas.hurried() => {}
        }
        let known = *enforced.borrow();
        tokio::spawn(renew(core.clone(), known));
    }
}

async fn renew(core: SharedCore, enforced: Revision) {
    let asked_at = clock::now();
    let request = core.leases.holder.lock().on_request(asked_at);
    let reports = core.carriage.reports();
    let message = RenewLeaseRequest {
        director_id: core.own_id,
        enforced_revision: enforced.0,
        reports: reports.clone(),
        uplinks: core.uplinks.report(&core.own),
    };
    let Some(leader) = core.leader() else { return };
    let granted = if leader == core.own {
        tokio::time::timeout(RENEW_TIMEOUT, core.grant_lease(message)).await.ok().and_then(Result::ok)
    } else {
        core.ask_lease(&leader, &message, RENEW_TIMEOUT).await
    };
    let Some(granted) = granted else { return };
    core.carriage.reported(&reports);
    if leader != core.own {
        core.uplinks.adopt(&core.own, &granted.uplinks);
        core.liveness.served(asked_at);
    }
    let commit = Revision(granted.revision);
    // A lease says that this director may carry what its table says: so the table must be as new as the grant.
    let mut enforced = core.carriage.enforced();
    let caught_up = enforced.wait_for(|&it| it >= commit);
    if !tokio::time::timeout(CATCH_UP, caught_up).await.is_ok_and(|it| it.is_ok()) {
        return;
    }
    let until = {
        let mut holder = core.leases.holder.lock();
        holder.on_applied(commit);
        holder.on_grant(request.sequence, commit, clock::now())
    };
    match until {
        Ok(until) => {
            let grant = Grant { asked_at: asked_at.as_nanos(), until: until.as_nanos() };
            core.datapath.extend_lease(grant);
            core.vhbas.extend_lease(grant);
        }
        Err(error) => tracing::debug!(%error, "a grant was of no use"),
    }
}
