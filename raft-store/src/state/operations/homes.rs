//! Homes: plans of the failover crate, and what keeps homes and successors fit.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{
    Adapter, AdapterId, AdapterKind, AdminState, Director, DirectorRole, FailoverReceipt, Home, HomeMove, Lan, Name,
    Profile, ResourceKey, San,
};

use super::receipts;
use crate::state::Rejection;
use crate::state::draft::{Draft, adapter_path};
use crate::state::kept::Kept;
use crate::state::rejection::Unfitness;

/// A move as it was done, for the receipt.
pub(super) struct Moved {
    pub resource: String,
    pub from: Option<Name>,
    pub home: Home,
}

/// All moves or none. The epoch of an adapter grows when its home changes; where only its successors do, it stays.
pub(super) fn change(
    draft: &mut Draft<'_>,
    moves: &[HomeMove],
    receipt: Option<&FailoverReceipt>,
) -> Result<(), Rejection> {
    check_named_once(moves)?;
    let mut moved = BTreeMap::new();
    for step in moves {
        let owner = draft.index().adapters.get(&step.adapter);
        let owner = owner.ok_or(Rejection::AdapterGone { adapter: step.adapter })?;
        let resource = check_move(draft, owner, step)?;
        let Some(home) = home_mut(draft.edit::<Profile>(owner)?, step.adapter) else { continue };
        let from = home.director.clone();
        if from != step.to {
            home.epoch = home.epoch.next();
        }
        settle(home, step);
        moved.insert(step.adapter, Moved { resource, from, home: home.clone() });
    }
    receipt.map_or(Ok(()), |receipt| receipts::create(draft, receipt, &moved))
}

/// A profile comes to a server: the epoch of every adapter grows by one, and those that the plan names get their homes.
/// The others keep what they have: the home of an unbound adapter is nobody.
pub(super) fn arrive(draft: &mut Draft<'_>, profile: &Name, homes: &[HomeMove]) -> Result<(), Rejection> {
    check_named_once(homes)?;
    for step in homes {
        match draft.index().adapters.get(&step.adapter) {
            None => return Err(Rejection::AdapterGone { adapter: step.adapter }),
            Some(owner) if owner != profile => return Err(foreign(draft, owner, step.adapter, profile)),
            Some(_) => check_move(draft, profile, step)?,
        };
    }
    let profile = draft.edit::<Profile>(profile)?;
    for (id, home) in profile.homes_mut() {
        home.epoch = home.epoch.next();
        if let Some(step) = homes.iter().find(|step| step.adapter == id) {
            settle(home, step);
        }
    }
    Ok(())
}

fn foreign(draft: &Draft<'_>, owner: &Name, id: AdapterId, profile: &Name) -> Rejection {
    let adapter = draft
        .get::<Profile>(owner)
        .and_then(|owner| owner.adapters().find(|it| it.id == id).map(|it| path(owner, &it)));
    Rejection::ForeignAdapter { adapter: adapter.unwrap_or_else(|| format!("adapter {id}")), profile: profile.clone() }
}

/// A profile leaves its server for nowhere: the epoch of every adapter grows by one, and nobody carries them.
pub(super) fn leave(profile: &mut Profile) {
    for (_, home) in profile.homes_mut() {
        *home = Home { director: None, epoch: home.epoch.next(), successors: Vec::new() };
    }
}

/// Nobody carries this adapter until a plan finds it a home.
pub(super) fn reset(home: &mut Home) {
    let epoch = if home.director.is_some() { home.epoch.next() } else { home.epoch };
    *home = Home { director: None, epoch, successors: Vec::new() };
}

/// Who has no home has no successors either: nobody could hand over to them.
fn settle(home: &mut Home, step: &HomeMove) {
    home.director = step.to.clone();
    home.successors = if step.to.is_some() { step.successors.clone() } else { Vec::new() };
}

fn home_mut(profile: &mut Profile, id: AdapterId) -> Option<&mut Home> {
    profile.homes_mut().find(|(adapter, _)| *adapter == id).map(|(_, home)| home)
}

fn path(profile: &Profile, adapter: &Adapter<'_>) -> String {
    adapter_path(&profile.name, adapter.kind, adapter.name)
}

fn check_named_once(moves: &[HomeMove]) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    match moves.iter().find(|step| !seen.insert(step.adapter)) {
        Some(step) => Err(Rejection::NamedTwice { adapter: step.adapter }),
        None => Ok(()),
    }
}

/// The adapter's path, if this move can be made.
fn check_move(draft: &Draft<'_>, owner: &Name, step: &HomeMove) -> Result<String, Rejection> {
    let profile = draft.require::<Profile>(owner)?;
    let adapter = profile.adapters().find(|adapter| adapter.id == step.adapter);
    let adapter = adapter.ok_or(Rejection::AdapterGone { adapter: step.adapter })?;
    let path = path(profile, &adapter);
    if adapter.home.epoch != step.expected {
        return Err(Rejection::StaleEpoch { adapter: path, seen: step.expected, present: adapter.home.epoch });
    }
    let Some(to) = &step.to else { return Ok(path) };
    if profile.binding.is_none() {
        return Err(Rejection::HomeWithoutServer { adapter: path });
    }
    let stays = adapter.home.director.as_ref() == Some(to);
    check_fit(draft, &adapter, &path, to, !stays)?;
    check_successors(draft, &adapter, &path, to, &step.successors)?;
    Ok(path)
}

fn check_successors(
    draft: &Draft<'_>,
    adapter: &Adapter<'_>,
    path: &str,
    home: &Name,
    successors: &[Name],
) -> Result<(), Rejection> {
    let mut listed = BTreeSet::from([home]);
    for successor in successors {
        if !listed.insert(successor) {
            let (director, adapter) = (successor.clone(), path.to_owned());
            return Err(Rejection::Unfit { director, adapter, reason: Unfitness::ListedTwice });
        }
        check_fit(draft, adapter, path, successor, false)?;
    }
    Ok(())
}

/// `arrives`: the director does not carry it yet, so it must not be drained.
fn check_fit(
    draft: &Draft<'_>,
    adapter: &Adapter<'_>,
    path: &str,
    director: &Name,
    arrives: bool,
) -> Result<(), Rejection> {
    let director = draft.refer::<Director>(director, || "homes".to_owned())?;
    let has_uplink = match adapter.kind {
        AdapterKind::Vnic => draft.require::<Lan>(adapter.cloud)?.uplinks.contains_key(&director.name),
        AdapterKind::Vhba => draft.require::<San>(adapter.cloud)?.uplinks.contains_key(&director.name),
    };
    let drained = arrives && director.admin_state == AdminState::Drained;
    let reason = unfitness(director, adapter, has_uplink).or(drained.then_some(Unfitness::Drained));
    match reason {
        Some(reason) => Err(Rejection::Unfit { director: director.name.clone(), adapter: path.to_owned(), reason }),
        None => Ok(()),
    }
}

/// Why this director can never be a home or successor of this adapter, with or without an uplink to its cloud.
pub(in crate::state) fn unfitness(director: &Director, adapter: &Adapter<'_>, has_uplink: bool) -> Option<Unfitness> {
    if director.role == DirectorRole::Witness {
        return Some(Unfitness::Witness);
    }
    let cloud = || cloud_key(adapter.kind, adapter.cloud);
    (!has_uplink).then(|| Unfitness::NoUplink { cloud: cloud() })
}

pub(super) fn cloud_key(kind: AdapterKind, name: &Name) -> ResourceKey {
    match kind {
        AdapterKind::Vnic => Lan::key(name),
        AdapterKind::Vhba => San::key(name),
    }
}

/// The adapters of a profile whose home is one of these.
pub(super) fn paths_of_homes(
    profile: &Profile,
    wanted: impl Fn(&Adapter<'_>, &Name) -> bool,
) -> impl Iterator<Item = String> {
    let at_home = profile.adapters().filter(move |it| it.home.director.as_ref().is_some_and(|home| wanted(it, home)));
    at_home.map(|adapter| path(profile, &adapter))
}

/// Takes these directors out of all lists of successors. Such a change is no change of home: epochs stay.
pub(super) fn drop_successors(
    draft: &mut Draft<'_>,
    unwanted: impl Fn(&Adapter<'_>, &Name) -> bool,
) -> Result<(), Rejection> {
    let concerned =
        |adapter: &Adapter<'_>| adapter.home.successors.iter().any(|successor| unwanted(adapter, successor));
    for name in draft.profiles_where(|profile| profile.adapters().any(|adapter| concerned(&adapter))) {
        let profile = draft.edit::<Profile>(&name)?;
        let kept: Vec<Vec<Name>> = profile
            .adapters()
            .map(|it| it.home.successors.iter().filter(|successor| !unwanted(&it, successor)).cloned().collect())
            .collect();
        profile.homes_mut().zip(kept).for_each(|((_, home), kept)| home.successors = kept);
    }
    Ok(())
}
