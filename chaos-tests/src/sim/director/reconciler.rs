//! The leader's work: makes the homes fit the world, one plan at a time, and ends releases.

use std::collections::BTreeSet;
use std::time::Duration;

use twinrail_failover::placement::{self, Plan, View};
use twinrail_failover::release::{self, Complete, Releases, Releasing};
use twinrail_failover::{Moment, Standing};
use twinrail_proto::domain::{AdminState, DirectorRole, FailoverCause, Name};
use twinrail_raft_store::state::{Operation, State};

use super::Director;
use crate::sim::bugs::Bug;
use crate::sim::context::Context;
use crate::sim::observation::Observation;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an heir is given before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Reconciler {
    /// Something happened that may ask for a plan.
    pub dirty: bool,
    look_at: Moment,
    /// A plan is on its way through the log: (index, term).
    under_way: Option<(u64, u64)>,
    /// What is known of releases, made anew in each term.
    releases: (u64, Releases),
    hand_over_at: Moment,
}

impl Reconciler {
    pub fn withholds_from(&self, director: &Name, now: Moment) -> bool {
        self.releases.1.withholds_from(director, now)
    }
}

impl Director {
    pub(super) fn reconcile(&mut self, ctx: &mut Context) {
        let now = self.now(ctx);
        if !self.raft.leads() {
            self.reconciler.under_way = None;
            return;
        }
        if let Some((index, term)) = self.reconciler.under_way {
            if term == self.raft.term() && self.applied < index {
                return;
            }
            self.reconciler.under_way = None;
        }
        if !self.reconciler.dirty && now < self.reconciler.look_at {
            return;
        }
        self.reconciler.dirty = false;
        self.reconciler.look_at = now + LOOK_EVERY;
        let detector = &self.liveness.detector;
        if detector.hears_majority() && detector.gathering(now).is_none() && self.place(ctx) {
            return;
        }
        if let Some(until) = self.liveness.detector.gathering(now) {
            self.reconciler.look_at = self.reconciler.look_at.min(until);
        }
        self.step_aside(now);
        self.end_releases(ctx);
    }

    /// True: a plan is on its way.
    fn place(&mut self, ctx: &mut Context) -> bool {
        for director in self.liveness.lost.clone() {
            let cause = FailoverCause::DirectorLost(director.clone());
            if self.commit_plan(cause, ctx, |view| placement::on_director_lost(view, &director)) {
                return true;
            }
        }
        for director in drained(&self.state) {
            let cause = FailoverCause::Drain(director.clone());
            if self.commit_plan(cause, ctx, |view| placement::drain(view, &director)) {
                return true;
            }
        }
        while let Some((server, director)) = self.liveness.paths_lost.pop_first() {
            let cause = FailoverCause::PathsLost { server: server.clone(), director: director.clone() };
            if self.commit_plan(cause, ctx, |view| placement::on_paths_lost(view, &server, &director)) {
                return true;
            }
        }
        self.commit_plan(FailoverCause::Homeless, ctx, placement::refresh)
    }

    fn commit_plan(&mut self, cause: FailoverCause, ctx: &mut Context, plan: impl FnOnce(&View<'_>) -> Plan) -> bool {
        let operation = self.with_view(ctx, |state, view| {
            let Plan { moves, successors, .. } = plan(view);
            match (moves.is_empty(), successors.is_empty()) {
                (false, _) => Some(self.change(state, moves, cause, ctx)),
                (true, false) => {
                    let cause_note = "succession".to_owned();
                    Some(Operation::ChangeHomes { cause_note, moves: successors, receipt: None })
                }
                (true, true) => None,
            }
        });
        operation.is_some_and(|operation| self.propose_own(operation, ctx))
    }

    fn propose_own(&mut self, operation: Operation, ctx: &mut Context) -> bool {
        let command = self.own_command(operation, ctx);
        let index = self.propose(command, ctx);
        self.reconciler.under_way = index.map(|index| (index, self.raft.term()));
        self.reconciler.dirty = true;
        index.is_some()
    }

    /// A drained director, or a witness, gives the leadership away if there is somebody better.
    fn step_aside(&mut self, now: Moment) {
        let own = self.state.directors().get(&self.name).map(|it| &it.value);
        let unfit = own.is_some_and(|it| it.role == DirectorRole::Witness || it.admin_state == AdminState::Drained);
        if !unfit || now < self.reconciler.hand_over_at {
            return;
        }
        let fit = self.state.directors().values().map(|it| &it.value).filter(|it| {
            it.name != self.name
                && it.admin_state == AdminState::Enabled
                && it.role != DirectorRole::Witness
                && self.liveness.detector.standing(&it.name) == Standing::Trusted
        });
        if let Some(heir) = fit.min_by_key(|it| it.id) {
            self.raft.hand_over(heir.id.0 as u8 - 1);
            self.reconciler.hand_over_at = now + ASK_AGAIN;
            self.reconciler.look_at = self.reconciler.hand_over_at;
        }
    }

    fn end_releases(&mut self, ctx: &mut Context) {
        let (now, term) = (self.now(ctx), self.raft.term());
        if self.reconciler.releases.0 != term {
            self.reconciler.releases = (term, Releases::default());
        }
        let releasing = releasing(&self.state);
        self.feed_releases(&releasing, ctx);
        let releases = &mut self.reconciler.releases.1;
        let (mut completions, deadline) = self
            .lease
            .with_grantor(term, now, |grantor| (releases.tick(grantor, now), releases.next_deadline(grantor)));
        if ctx.has(Bug::ReleaseAtOnce) {
            let all = releasing.into_iter();
            completions =
                all.map(|Releasing { profile, from, revision }| Complete { profile, from, revision }).collect();
        }
        if let Some(deadline) = deadline {
            self.reconciler.look_at = self.reconciler.look_at.min(deadline);
        }
        self.observe_ended(ctx);
        for Complete { profile, from, revision } in completions {
            let target = self.state.profiles().get(&profile).and_then(|it| release::target(&it.value).cloned());
            let homes = target.map(|server| self.homes_on(&profile, &server, ctx)).unwrap_or_default();
            self.propose_own(Operation::CompleteRelease { profile, from, homes, revision }, ctx);
        }
    }

    fn feed_releases(&mut self, releasing: &[Releasing], ctx: &Context) {
        let now = self.now(ctx);
        let carriers = carriers(&self.state);
        let releases = &mut self.reconciler.releases.1;
        releases.sync(releasing.to_vec(), carriers.clone(), now);
        for it in releasing {
            let Some(server) = ctx.names.server(&it.from) else { continue };
            releases.on_agent(&it.from, self.agents.attached(server));
            if self.agents.released(server, &it.profile, it.revision) {
                releases.on_acknowledged(&it.profile, &it.from, it.revision);
            }
        }
        for director in &carriers {
            if let Some(&revision) = self.lease.enforced.get(director) {
                releases.on_applied(director, revision);
            }
        }
    }

    /// Whose lease this leader would now say to have ended.
    fn observe_ended(&mut self, ctx: &mut Context) {
        let (now, term, names) = (self.now(ctx), self.raft.term(), ctx.names.clone());
        for (director, name) in (0u8..).zip(&names.directors) {
            if self.lease.with_grantor(term, now, |grantor| grantor.certainly_ended(name, now).is_ok()) {
                ctx.observe(&Observation::LeaseEnded { term, director });
            }
        }
    }
}

fn drained(state: &State) -> Vec<Name> {
    let drained = state.directors().values().filter(|it| it.value.admin_state == AdminState::Drained);
    drained.map(|it| it.value.name.clone()).collect()
}

fn releasing(state: &State) -> Vec<Releasing> {
    state.profiles().values().filter_map(|it| Releasing::of_profile(&it.value, it.modified)).collect()
}

fn carriers(state: &State) -> BTreeSet<Name> {
    let carriers = state.directors().values().filter(|it| it.value.role != DirectorRole::Witness);
    carriers.map(|it| it.value.name.clone()).collect()
}
