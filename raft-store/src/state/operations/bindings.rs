//! Bindings of profiles to servers. Room and device names on the servers are checked when the draft is finished.

use twinrail_proto::domain::{Binding, BindingPhase, HomeMove, Name, Profile, Revision, Server};

use super::homes::{arrive, leave};
use crate::state::Rejection;
use crate::state::draft::{Draft, adapter_path};

pub(super) fn bind(
    draft: &mut Draft<'_>,
    profile: &Name,
    server: &Name,
    homes: &[HomeMove],
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    if let Some(binding) = &draft.require::<Profile>(profile)?.binding {
        return Err(Rejection::AlreadyBound { profile: profile.clone(), server: binding.server.clone() });
    }
    if draft.refer::<Server>(server, || "server".to_owned())?.spare {
        return Err(Rejection::ServerIsSpare { profile: profile.clone(), server: server.clone() });
    }
    let binding = Binding { server: server.clone(), phase: BindingPhase::Active };
    draft.edit::<Profile>(profile)?.binding = Some(binding);
    arrive(draft, profile, homes)
}

/// A target takes room from now on, so that the profile can certainly arrive. It may be a spare.
pub(super) fn release(
    draft: &mut Draft<'_>,
    profile: &Name,
    to: Option<&Name>,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    if let Some(to) = to {
        draft.refer::<Server>(to, || "server".to_owned())?;
    }
    let Some(binding) = &mut draft.edit::<Profile>(profile)?.binding else {
        return Err(Rejection::NotBound { profile: profile.clone() });
    };
    if to == Some(&binding.server) {
        return Err(Rejection::SameServer { profile: profile.clone(), server: binding.server.clone() });
    }
    binding.phase = BindingPhase::Releasing { to: to.cloned() };
    Ok(())
}

/// The server has let go, or can do nothing any more.
pub(super) fn complete_release(
    draft: &mut Draft<'_>,
    profile: &Name,
    from: &Name,
    homes: &[HomeMove],
    revision: Revision,
) -> Result<(), Rejection> {
    let target = check_release(draft, profile, from, revision)?;
    let Some(server) = target else {
        check_no_homes(draft, profile, homes)?;
        let profile = draft.edit::<Profile>(profile)?;
        profile.binding = None;
        leave(profile);
        return Ok(());
    };
    draft.edit::<Profile>(profile)?.binding = Some(Binding { server, phase: BindingPhase::Active });
    arrive(draft, profile, homes)
}

/// Where the profile goes, if this is the release that was proposed.
fn check_release(
    draft: &Draft<'_>,
    profile: &Name,
    from: &Name,
    revision: Revision,
) -> Result<Option<Name>, Rejection> {
    let stale = |problem: String| {
        let (profile, from) = (profile.clone(), from.clone());
        Err(Rejection::StaleRelease { profile, from, problem })
    };
    let binding = &draft.require::<Profile>(profile)?.binding;
    let modified = draft.record().profiles.get(profile).map_or(revision, |versioned| versioned.modified);
    match binding {
        Some(Binding { server, phase: BindingPhase::Releasing { .. } }) if server != from => {
            stale(format!("server '{server}' is asked to let go now"))
        }
        Some(Binding { server: _, phase: BindingPhase::Releasing { to } }) if modified == revision => Ok(to.clone()),
        Some(Binding { server: _, phase: BindingPhase::Releasing { .. } }) => {
            stale(format!("the profile changed at revision {modified}, after {revision}"))
        }
        Some(Binding { server, phase: BindingPhase::Active }) => stale(format!("it is active on server '{server}'")),
        None => stale("it is bound to no server".to_owned()),
    }
}

/// A plan for a profile that goes nowhere may only say that nobody carries it.
fn check_no_homes(draft: &Draft<'_>, profile: &Name, homes: &[HomeMove]) -> Result<(), Rejection> {
    let Some(step) = homes.iter().find(|step| step.to.is_some()) else { return Ok(()) };
    let adapter = draft.require::<Profile>(profile)?.adapters().find(|adapter| adapter.id == step.adapter);
    Err(match adapter {
        Some(adapter) => Rejection::HomeWithoutServer { adapter: adapter_path(profile, adapter.kind, adapter.name) },
        None => Rejection::AdapterGone { adapter: step.adapter },
    })
}
