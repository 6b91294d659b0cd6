//! Directors: who is one, and that none disappears while something hangs on it.

use twinrail_proto::domain::{
    Director, DirectorId, DirectorRole, Lan, Name, Profile, RailAddresses, ResourceKey, Revision, San,
};

use super::checks::{check_machine_text, check_rails, check_text, invalid};
use super::homes::{drop_successors, paths_of_homes};
use crate::state::Rejection;
use crate::state::draft::Draft;
use crate::state::kept::Kept;
use crate::state::limits::{MAX_ADDRESS_TEXT, MAX_MACHINE_TEXT};

pub(super) fn create(draft: &mut Draft<'_>, director: &Director) -> Result<(), Rejection> {
    check(draft, director)?;
    let holder = draft.all::<Director>().find(|it| it.id == director.id && it.name != director.name);
    if holder.is_some() || draft.retired_directors().contains(&director.id) {
        return Err(Rejection::DirectorIdTaken { id: director.id, holder: holder.map(|it| it.name.clone()) });
    }
    draft.create(director.clone())
}

pub(super) fn update(draft: &mut Draft<'_>, director: &Director, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Director>(&director.name, if_match)?;
    check(draft, director)?;
    let before = draft.require::<Director>(&director.name)?.clone();
    check_kept(&before, director)?;
    if director.role == DirectorRole::Witness && before.role != DirectorRole::Witness {
        check_dispensable(draft, &before)?;
        drop_successors(draft, |_, successor| *successor == director.name)?;
    }
    let store_id = director.store_id.clone().or(before.store_id);
    draft.put(Director { store_id, ..director.clone() });
    Ok(())
}

/// What an update may not change: the id, and a store that has claimed it.
fn check_kept(before: &Director, after: &Director) -> Result<(), Rejection> {
    let immutable = |field: &str, present: String| {
        Err(Rejection::Immutable { field: field.to_owned(), key: Director::key(&before.name), present })
    };
    if before.id != after.id {
        return immutable("director.id", before.id.to_string());
    }
    match (&before.store_id, &after.store_id) {
        (Some(claimed), Some(other)) if claimed != other => immutable("director.store_id", claimed.clone()),
        _ => Ok(()),
    }
}

pub(super) fn delete(draft: &mut Draft<'_>, name: &Name, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Director>(name, if_match)?;
    let director = draft.require::<Director>(name)?.clone();
    check_dispensable(draft, &director)?;
    drop_successors(draft, |_, successor| successor == name)?;
    for lan in names_where::<Lan>(draft, |lan| lan.uplinks.contains_key(name)) {
        draft.edit::<Lan>(&lan)?.uplinks.remove(name);
    }
    for san in names_where::<San>(draft, |san| san.uplinks.contains_key(name)) {
        draft.edit::<San>(&san)?.uplinks.remove(name);
    }
    draft.retire_director(director.id)?;
    draft.remove::<Director>(name);
    Ok(())
}

fn names_where<T: Kept>(draft: &Draft<'_>, wanted: impl Fn(&T) -> bool) -> Vec<Name> {
    draft.all::<T>().filter(|it| wanted(it)).map(|it| it.name().clone()).collect()
}

pub(super) fn claim(draft: &mut Draft<'_>, id: DirectorId, store_id: &str) -> Result<(), Rejection> {
    check_text("store_id", store_id, MAX_MACHINE_TEXT)?;
    let Some(director) = draft.all::<Director>().find(|it| it.id == id).cloned() else {
        return Err(invalid("id", format!("no director of this cluster has the id {id}; add it first")));
    };
    let elsewhere = draft.all::<Director>().find(|it| it.id != id && it.store_id.as_deref() == Some(store_id));
    if let Some(other) = elsewhere {
        return Err(Rejection::StoreClaimed { director: other.name.clone() });
    }
    match &director.store_id {
        Some(claimed) if claimed != store_id => Err(Rejection::StoreClaimed { director: director.name }),
        _ => {
            draft.put(Director { store_id: Some(store_id.to_owned()), ..director });
            Ok(())
        }
    }
}

fn check(draft: &Draft<'_>, director: &Director) -> Result<(), Rejection> {
    check_rails("director.rails", &director.rails, other_rails(draft, &director.name))?;
    check_machine_text("director.store_id", &director.store_id)?;
    check_text("director.api_address", &director.api_address, MAX_ADDRESS_TEXT)?;
    let port = director.api_address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(1..) => Ok(()),
        _ => {
            let problem = format!("'{}' is no address; write host:port, as d1.example:7400", director.api_address);
            Err(invalid("director.api_address", problem))
        }
    }
}

fn other_rails(draft: &Draft<'_>, name: &Name) -> impl Iterator<Item = (ResourceKey, RailAddresses)> {
    draft.all::<Director>().filter(move |it| it.name != *name).map(|it| (Director::key(&it.name), it.rails))
}

/// Nothing is at home there, and another one is left that can carry.
fn check_dispensable(draft: &Draft<'_>, director: &Director) -> Result<(), Rejection> {
    let mut homes =
        draft.all::<Profile>().flat_map(|profile| paths_of_homes(profile, |_, home| *home == director.name));
    if let Some(adapter) = homes.next() {
        let director = director.name.clone();
        return Err(Rejection::DirectorIsHome { director, adapter, others: homes.count() });
    }
    let carries = |it: &&Director| it.role != DirectorRole::Witness;
    let others = draft.all::<Director>().filter(|it| it.name != director.name).filter(carries).count();
    if carries(&director) && others == 0 {
        return Err(Rejection::LastCarrier { director: director.name.clone() });
    }
    Ok(())
}
