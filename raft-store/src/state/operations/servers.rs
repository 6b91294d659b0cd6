//! Servers: created by the operator, or by the first agent that attaches.

use twinrail_proto::domain::{MAX_ADAPTERS_PER_SERVER, Name, Profile, RailAddresses, ResourceKey, Revision, Server};

use super::checks::{check_machine_text, check_rails, check_text, invalid};
use crate::state::Rejection;
use crate::state::draft::Draft;
use crate::state::kept::Kept;
use crate::state::limits::MAX_MACHINE_TEXT;

pub(super) fn create(draft: &mut Draft<'_>, server: &Server) -> Result<(), Rejection> {
    check(draft, server)?;
    draft.create(server.clone())
}

/// What agents told is kept where the new value says nothing. Another machine id hands the claim to a replaced machine.
pub(super) fn update(draft: &mut Draft<'_>, server: &Server, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Server>(&server.name, if_match)?;
    check(draft, server)?;
    let needed = occupants(draft, &server.name).map(|profile| profile.vnics.len() + profile.vhbas.len()).sum();
    let limit = server.max_adapters as usize;
    if needed > limit {
        return Err(Rejection::ServerFull { server: server.name.clone(), needed, limit });
    }
    let before = draft.edit::<Server>(&server.name)?;
    let machine_id = server.machine_id.clone().or(before.machine_id.take());
    let rails = server.rails.or(before.rails);
    *before = Server { machine_id, rails, ..server.clone() };
    Ok(())
}

pub(super) fn delete(draft: &mut Draft<'_>, name: &Name, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Server>(name, if_match)?;
    let users = occupants(draft, name).map(|profile| Profile::key(&profile.name).to_string());
    draft.check_unreferenced(Server::key(name), users)?;
    draft.remove::<Server>(name);
    Ok(())
}

pub(super) fn attach(
    draft: &mut Draft<'_>,
    name: &Name,
    machine_id: &str,
    rails: RailAddresses,
) -> Result<(), Rejection> {
    check_text("machine_id", machine_id, MAX_MACHINE_TEXT)?;
    check_rails("rails", &rails, other_rails(draft, name))?;
    let (machine_id, rails) = (Some(machine_id.to_owned()), Some(rails));
    let Some(known) = draft.get::<Server>(name) else {
        let max_adapters = MAX_ADAPTERS_PER_SERVER as u32;
        return draft.create(Server { name: name.clone(), machine_id, rails, spare: false, max_adapters });
    };
    if known.machine_id.is_some() && known.machine_id != machine_id {
        return Err(Rejection::ServerClaimed { server: name.clone() });
    }
    draft.put(Server { machine_id, rails, ..known.clone() });
    Ok(())
}

fn check(draft: &Draft<'_>, server: &Server) -> Result<(), Rejection> {
    check_machine_text("server.machine_id", &server.machine_id)?;
    if let Some(rails) = &server.rails {
        check_rails("server.rails", rails, other_rails(draft, &server.name))?;
    }
    match server.max_adapters as usize {
        1..=MAX_ADAPTERS_PER_SERVER => Ok(()),
        other => {
            let problem = format!("{other} is out of range; 1 to {MAX_ADAPTERS_PER_SERVER} are allowed");
            Err(invalid("server.max_adapters", problem))
        }
    }
}

fn other_rails(draft: &Draft<'_>, name: &Name) -> impl Iterator<Item = (ResourceKey, RailAddresses)> {
    let others = draft.all::<Server>().filter(move |server| server.name != *name);
    others.filter_map(|server| Some((Server::key(&server.name), server.rails?)))
}

/// Of the state before the command: those who take room there.
fn occupants<'a>(draft: &Draft<'a>, server: &Name) -> impl Iterator<Item = &'a Profile> {
    let (record, names) = (draft.record(), draft.index().occupants.get(server));
    names.into_iter().flatten().filter_map(|name| record.profiles.get(name)).map(|versioned| &versioned.value)
}
