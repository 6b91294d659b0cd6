//! The planner's view of the world, from the state and this director's knowledge of who lives; and the plans that
//! intents of the API need.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_failover::Standing;
use twinrail_failover::placement::{self, AdapterView, DirectorView, View};
use twinrail_failover::uplinks::{Port, avoided};
use twinrail_proto::domain::{
    AdapterKind, AdminState, Director, DirectorRole, FailoverCause, HomeMove, Name, Profile, ResourceKey, ResourceKind,
    Revision, UplinkState,
};
use twinrail_raft_store::state::{Operation, Rejection, State};

use super::cluster::{CallError, Intent};
use super::core::Core;
use super::receipt::{receipt, receipt_moves};
use super::uplinks::Troubles;

impl Core {
    /// Looks at the world as it is now.
    pub fn with_view<T>(&self, decide: impl FnOnce(&State, &View<'_>) -> T) -> T {
        let reach = self.liveness.reach();
        let troubles = self.uplinks.all();
        let state = self.state.read();
        let avoided = self.avoided_ports(&state, &troubles);
        let mut uplinks: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
        let lans =
            state.lans().values().flat_map(|it| it.value.uplinks.keys().map(|director| (director, &it.value.name)));
        let sans =
            state.sans().values().flat_map(|it| it.value.uplinks.keys().map(|director| (director, &it.value.name)));
        for (director, cloud) in lans.chain(sans) {
            uplinks.entry(director).or_default().insert(cloud);
        }
        let down = |director: &Name| avoided.iter().filter(|(of, _)| *of == director).map(|&(_, lan)| lan).collect();
        let directors = state.directors().values().map(|it| DirectorView {
            name: &it.value.name,
            role: it.value.role,
            admin_state: it.value.admin_state,
            standing: self.liveness.standing(&it.value.name),
            uplinks: uplinks.remove(&it.value.name).unwrap_or_default(),
            uplinks_down: down(&it.value.name),
        });
        let directors = directors.collect();
        let adapters = state.profiles().values().flat_map(|it| AdapterView::of_profile(&it.value)).collect();
        decide(&state, &View { directors, adapters, reach: &reach })
    }

    /// (director, LAN): the ports that nothing is given to.
    fn avoided_ports<'a>(
        &self,
        state: &'a State,
        troubles: &BTreeMap<Name, Troubles>,
    ) -> BTreeSet<(&'a Name, &'a Name)> {
        let mut ports = Vec::new();
        for lan in state.lans().values().map(|it| &it.value) {
            for director in lan.uplinks.keys().filter_map(|it| state.directors().get(it)).map(|it| &it.value) {
                let fit = director.role != DirectorRole::Witness
                    && director.admin_state == AdminState::Enabled
                    && self.liveness.standing(&director.name) != Standing::Lost;
                let trouble = troubles.get(&director.name).and_then(|it| it.get(&lan.name));
                let state = trouble.map_or(UplinkState::Up, |it| it.state);
                ports.push(Port { director: &director.name, lan: &lan.name, fit, state });
            }
        }
        avoided(&ports)
    }

    /// The operation that an intent comes to, with every home that it needs.
    pub fn plan_intent(&self, intent: &Intent) -> Result<Operation, CallError> {
        match intent {
            Intent::Apply(Operation::BindProfile { profile, server, if_match, .. }) => Ok(Operation::BindProfile {
                profile: profile.clone(),
                server: server.clone(),
                homes: self.homes_on(profile, server),
                if_match: *if_match,
            }),
            Intent::Apply(operation) => Ok(operation.clone()),
            Intent::MoveHome { profile, kind, adapter, to, if_match } => {
                self.plan_move(profile, *kind, adapter, to, *if_match)
            }
            Intent::Rebalance => Ok(self.with_view(|state, view| {
                self.planned_change(state, placement::rebalance(view).moves, FailoverCause::Rebalance)
            })),
            Intent::SetAdminState { director, admin_state, if_match } => {
                let state = self.state.read();
                let found = state.directors().get(director).ok_or_else(|| unknown(ResourceKind::Director, director))?;
                let director = Director { admin_state: *admin_state, ..found.value.clone() };
                Ok(Operation::UpdateDirector { director, if_match: *if_match })
            }
            Intent::TransferLeadership { .. } => unreachable!("leadership is no part of the replicated state"),
        }
    }

    /// Homes for the adapters of a profile that comes to this server.
    pub fn homes_on(&self, profile: &Name, server: &Name) -> Vec<HomeMove> {
        self.with_view(|state, view| match state.profiles().get(profile) {
            Some(it) => {
                let adapters: Vec<AdapterView<'_>> = AdapterView::of_profile_on(&it.value, server).collect();
                placement::keep_or_place(view, &adapters)
            }
            None => Vec::new(),
        })
    }

    fn plan_move(
        &self,
        profile: &Name,
        kind: AdapterKind,
        adapter: &Name,
        to: &Name,
        if_match: Option<Revision>,
    ) -> Result<Operation, CallError> {
        self.with_view(|state, view| {
            let found = state.profiles().get(profile).ok_or_else(|| unknown(ResourceKind::Profile, profile))?;
            if if_match.is_some_and(|expected| expected != found.modified) {
                return Err(CallError::Rejected(Rejection::StaleEtag {
                    key: ResourceKey { kind: ResourceKind::Profile, name: profile.clone() },
                    seen: if_match.unwrap_or_default(),
                    present: found.modified,
                }));
            }
            let id = adapter_id(&found.value, kind, adapter)?;
            let moves =
                placement::move_to(view, id, to).map_err(|error| CallError::InvalidTarget(error.to_string()))?;
            Ok(self.planned_change(state, vec![moves], FailoverCause::Operator))
        })
    }

    fn planned_change(&self, state: &State, moves: Vec<HomeMove>, cause: FailoverCause) -> Operation {
        let receipt = receipt(&self.own, cause.clone(), None, receipt_moves(state, &moves));
        Operation::ChangeHomes { cause_note: note(&cause), moves, receipt }
    }
}

fn unknown(kind: ResourceKind, name: &Name) -> CallError {
    let key = ResourceKey { kind, name: name.clone() };
    CallError::Rejected(Rejection::NotFound { key, field: None })
}

fn adapter_id(
    profile: &Profile,
    kind: AdapterKind,
    name: &Name,
) -> Result<twinrail_proto::domain::AdapterId, CallError> {
    let found = profile.adapters().find(|it| it.kind == kind && it.name == name);
    let collection = match kind {
        AdapterKind::Vnic => "vnics",
        AdapterKind::Vhba => "vhbas",
    };
    let adapter = || format!("profiles/{}/{collection}/{name}", profile.name);
    found.map(|it| it.id).ok_or_else(|| CallError::Rejected(Rejection::AdapterNotFound { adapter: adapter() }))
}

/// How a cause is called in the audit trail.
pub fn note(cause: &FailoverCause) -> String {
    match cause {
        FailoverCause::DirectorLost(director) => format!("director {director} lost"),
        FailoverCause::PathsLost { server, director } => {
            format!("server {server} lost its paths to director {director}")
        }
        FailoverCause::UplinkLost { director, lan } => format!("uplink lost: director {director} to LAN {lan}"),
        FailoverCause::Drain(director) => format!("director {director} drained"),
        FailoverCause::Rebalance => "rebalance".to_owned(),
        FailoverCause::Operator => "operator".to_owned(),
        FailoverCause::Homeless => "adapters without a home".to_owned(),
    }
}
