//! vHBAs of a profile. Both world-wide names come from one source.

use twinrail_proto::domain::{AdapterKind, Home, Name, Profile, Revision, Vhba, VhbaTemplate, Wwn, WwnSource};

use super::checks::{check_adapter_count, check_not_ruled, check_vhba, invalid};
use super::homes::reset;
use super::templates::{field, vhba_spec};
use crate::state::draft::{Draft, Taker, adapter_path};
use crate::state::kept::Kept;
use crate::state::{Rejection, VhbaSpec};

const KIND: AdapterKind = AdapterKind::Vhba;

pub(super) fn create(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VhbaSpec,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    let present = draft.require::<Profile>(profile)?;
    check_adapter_count(|| Profile::key(profile).to_string(), present.vnics.len() + present.vhbas.len() + 1)?;
    add(draft, profile, name, spec, "vhba")
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VhbaSpec,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    let before = require(draft, profile, name)?.clone();
    check_not_ruled(draft, draft.require(profile)?, KIND, name)?;
    check_vhba(draft, "vhba", spec)?;
    let path = adapter_path(profile, KIND, name);
    let present = (before.wwpn, before.wwnn);
    let (wwpn, wwnn) = match &spec.wwn {
        unchanged if *unchanged == before.wwn_source => present,
        other => obtain(draft, other, Some(present), Taker { field: "vhba.wwn", adapter: &path })?,
    };
    let mut home = before.home;
    if spec.san != before.san {
        reset(&mut home);
    }
    let VhbaSpec { san, qos, wwn: wwn_source, luns } = spec.clone();
    let vhba = Vhba { name: name.clone(), id: before.id, wwpn, wwnn, wwn_source, san, qos, luns, home };
    draft.edit::<Profile>(profile)?.vhbas.insert(name.clone(), vhba);
    Ok(())
}

pub(super) fn delete(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    require(draft, profile, name)?;
    check_not_ruled(draft, draft.require(profile)?, KIND, name)?;
    draft.edit::<Profile>(profile)?.vhbas.remove(name);
    Ok(())
}

/// A new vHBA with names of its own and no home yet. `field` is where the request describes it.
pub(super) fn add(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VhbaSpec,
    field: &str,
) -> Result<(), Rejection> {
    insert(draft, profile, name, spec, field, &format!("{field}.wwn"))
}

pub(super) fn add_from_template(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    template: &VhbaTemplate,
) -> Result<(), Rejection> {
    let field = field(KIND, name);
    insert(draft, profile, name, &vhba_spec(template), &field, &format!("{field}.wwn_pool"))
}

fn insert(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VhbaSpec,
    field: &str,
    wwn_field: &str,
) -> Result<(), Rejection> {
    let path = adapter_path(profile, KIND, name);
    if draft.require::<Profile>(profile)?.vhbas.contains_key(name) {
        return Err(Rejection::AdapterExists { field: field.to_owned(), adapter: path });
    }
    check_vhba(draft, field, spec)?;
    let (wwpn, wwnn) = obtain(draft, &spec.wwn, None, Taker { field: wwn_field, adapter: &path })?;
    let VhbaSpec { san, qos, wwn: wwn_source, luns } = spec.clone();
    let (id, home) = (draft.new_adapter_id()?, Home::default());
    let vhba = Vhba { name: name.clone(), id, wwpn, wwnn, wwn_source, san, qos, luns, home };
    draft.edit::<Profile>(profile)?.vhbas.insert(name.clone(), vhba);
    Ok(())
}

/// WWPN and WWNN. Of fixed ones, what the adapter has already (`present`) need not be free.
fn obtain(
    draft: &mut Draft<'_>,
    source: &WwnSource,
    present: Option<(Wwn, Wwn)>,
    taker: Taker<'_>,
) -> Result<(Wwn, Wwn), Rejection> {
    match source {
        WwnSource::Pool(pool) => Ok((draft.draw_wwn(pool, taker)?, draft.draw_wwn(pool, taker)?)),
        WwnSource::Fixed { wwpn, wwnn } if wwpn == wwnn => {
            Err(invalid(taker.field, format!("{wwpn} is given as WWPN and as WWNN; port and node need one each")))
        }
        WwnSource::Fixed { wwpn, wwnn } => {
            let held = |wwn: Wwn| present.is_some_and(|(port, node)| [port, node].contains(&wwn));
            for (part, wwn) in [("wwpn", *wwpn), ("wwnn", *wwnn)].into_iter().filter(|&(_, wwn)| !held(wwn)) {
                let field = format!("{}.{part}", taker.field);
                draft.claim_wwn(wwn, Taker { field: &field, ..taker })?;
            }
            Ok((*wwpn, *wwnn))
        }
    }
}

fn require<'d>(draft: &'d Draft<'_>, profile: &Name, name: &Name) -> Result<&'d Vhba, Rejection> {
    let vhba = draft.require::<Profile>(profile)?.vhbas.get(name);
    vhba.ok_or_else(|| Rejection::AdapterNotFound { adapter: adapter_path(profile, KIND, name) })
}
