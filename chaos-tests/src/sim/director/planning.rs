//! The planner's view of the world, and what an intent of the API comes to.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_failover::placement::{self, AdapterView, DirectorView, View};
use twinrail_proto::domain::{
    AdminState, Director as Member, Epoch, FailoverCause, FailoverReceipt, HomeMove, Name, ReceiptMove,
};
use twinrail_raft_store::state::{Command, Operation, State};

use super::Director;
use crate::sim::context::Context;
use crate::sim::message::Intent;

impl Director {
    pub(super) fn with_view<T>(&self, ctx: &Context, decide: impl FnOnce(&State, &View<'_>) -> T) -> T {
        let detector = &self.liveness.detector;
        let reach = detector.reach(self.now(ctx));
        let state = &self.state;
        let mut uplinks: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
        let lans = state.lans().values().flat_map(|it| it.value.uplinks.keys().map(|at| (at, &it.value.name)));
        let sans = state.sans().values().flat_map(|it| it.value.uplinks.keys().map(|at| (at, &it.value.name)));
        for (director, cloud) in lans.chain(sans) {
            uplinks.entry(director).or_default().insert(cloud);
        }
        let directors = state.directors().values().map(|it| DirectorView {
            name: &it.value.name,
            role: it.value.role,
            admin_state: it.value.admin_state,
            standing: detector.standing(&it.value.name),
            uplinks: uplinks.remove(&it.value.name).unwrap_or_default(),
            uplinks_down: BTreeSet::new(),
        });
        let directors = directors.collect();
        let adapters = state.profiles().values().flat_map(|it| AdapterView::of_profile(&it.value)).collect();
        decide(state, &View { directors, adapters, reach: &reach })
    }

    /// None: what it names is not there, or it cannot be moved there.
    pub(super) fn plan_intent(&self, intent: &Intent, ctx: &Context) -> Option<Operation> {
        match intent {
            Intent::Apply(Operation::BindProfile { profile, server, if_match, .. }) => Some(Operation::BindProfile {
                profile: profile.clone(),
                server: server.clone(),
                homes: self.homes_on(profile, server, ctx),
                if_match: *if_match,
            }),
            Intent::Apply(operation) => Some(operation.clone()),
            Intent::Rebalance => Some(self.with_view(ctx, |state, view| {
                self.change(state, placement::rebalance(view).moves, FailoverCause::Rebalance, ctx)
            })),
            Intent::MoveHome { profile, to } => self.with_view(ctx, |state, view| {
                let adapter = state.profiles().get(profile)?.value.adapters().next()?.id;
                let step = placement::move_to(view, adapter, to).ok()?;
                Some(self.change(state, vec![step], FailoverCause::Operator, ctx))
            }),
            Intent::SetDrained { director, drained } => {
                let found = &self.state.directors().get(director)?.value;
                let admin_state = if *drained { AdminState::Drained } else { AdminState::Enabled };
                let director = Member { admin_state, ..found.clone() };
                Some(Operation::UpdateDirector { director, if_match: None })
            }
            Intent::Read { .. } | Intent::Watch { .. } => unreachable!("reads change nothing"),
        }
    }

    pub(super) fn homes_on(&self, profile: &Name, server: &Name, ctx: &Context) -> Vec<HomeMove> {
        self.with_view(ctx, |state, view| match state.profiles().get(profile) {
            Some(it) => {
                let adapters: Vec<AdapterView<'_>> = AdapterView::of_profile_on(&it.value, server).collect();
                placement::keep_or_place(view, &adapters)
            }
            None => Vec::new(),
        })
    }

    /// A change of homes, with a receipt where adapters that had a home get another one.
    pub(super) fn change(&self, state: &State, moves: Vec<HomeMove>, cause: FailoverCause, ctx: &Context) -> Operation {
        let now = self.clock.wall(ctx.now);
        let moved: Vec<ReceiptMove> = moves.iter().filter_map(|it| receipt_move(state, it)).collect();
        let receipt = moved.iter().any(|it| it.from.is_some()).then(|| {
            Box::new(FailoverReceipt {
                name: "f-0".parse().expect("a valid name"),
                cause,
                decided_by: self.name.clone(),
                last_seen: now,
                detected: now,
                decided: now,
                committed: None,
                moves: moved,
                trace_id: None,
            })
        });
        Operation::ChangeHomes { cause_note: "plan".to_owned(), moves, receipt }
    }

    /// A command that this director makes by itself.
    pub(super) fn own_command(&self, operation: Operation, ctx: &Context) -> Command {
        let actor = format!("director {}", self.name);
        Command { request_id: None, at: self.clock.wall(ctx.now), actor, intent: 0, operation }
    }
}

fn receipt_move(state: &State, step: &HomeMove) -> Option<ReceiptMove> {
    let (_, adapter) = state.adapter(step.adapter)?;
    if adapter.home.director == step.to {
        return None;
    }
    Some(ReceiptMove {
        adapter: step.adapter,
        resource: String::new(),
        from: adapter.home.director.clone(),
        to: step.to.clone(),
        epoch: Epoch(0),
        carrying: None,
        announced: None,
        phases: Vec::new(),
    })
}
