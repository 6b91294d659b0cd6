//! vNICs of a profile.

use twinrail_proto::domain::{AdapterKind, Home, MacAddress, MacSource, Name, Profile, Revision, Vnic, VnicTemplate};

use super::checks::{check_adapter_count, check_not_ruled, check_vnic};
use super::homes::reset;
use super::templates::{field, vnic_spec};
use crate::state::draft::{Draft, Taker, adapter_path};
use crate::state::kept::Kept;
use crate::state::{Rejection, VnicSpec};

const KIND: AdapterKind = AdapterKind::Vnic;

pub(super) fn create(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VnicSpec,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    let present = draft.require::<Profile>(profile)?;
    check_adapter_count(|| Profile::key(profile).to_string(), present.vnics.len() + present.vhbas.len() + 1)?;
    add(draft, profile, name, spec, "vnic")
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VnicSpec,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(profile, if_match)?;
    let before = require(draft, profile, name)?.clone();
    check_not_ruled(draft, draft.require(profile)?, KIND, name)?;
    check_vnic(draft, "vnic", name, spec)?;
    let path = adapter_path(profile, KIND, name);
    let mac = match &spec.mac {
        unchanged if *unchanged == before.mac_source => before.mac,
        MacSource::Fixed(mac) if *mac == before.mac => before.mac,
        other => obtain(draft, other, Taker { field: "vnic.mac", adapter: &path })?,
    };
    let mut home = before.home;
    if spec.lan != before.lan {
        reset(&mut home);
    }
    let VnicSpec { lan, vlan, mtu, qos, mac: mac_source } = spec.clone();
    let vnic = Vnic { name: name.clone(), id: before.id, mac, mac_source, lan, vlan, mtu, qos, home };
    draft.edit::<Profile>(profile)?.vnics.insert(name.clone(), vnic);
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
    draft.edit::<Profile>(profile)?.vnics.remove(name);
    Ok(())
}

/// A new vNIC with an identity of its own and no home yet. `field` is where the request describes it.
pub(super) fn add(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VnicSpec,
    field: &str,
) -> Result<(), Rejection> {
    insert(draft, profile, name, spec, field, &format!("{field}.mac"))
}

pub(super) fn add_from_template(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    template: &VnicTemplate,
) -> Result<(), Rejection> {
    let field = field(KIND, name);
    insert(draft, profile, name, &vnic_spec(template), &field, &format!("{field}.mac_pool"))
}

fn insert(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    spec: &VnicSpec,
    field: &str,
    mac_field: &str,
) -> Result<(), Rejection> {
    let path = adapter_path(profile, KIND, name);
    if draft.require::<Profile>(profile)?.vnics.contains_key(name) {
        return Err(Rejection::AdapterExists { field: field.to_owned(), adapter: path });
    }
    check_vnic(draft, field, name, spec)?;
    let mac = obtain(draft, &spec.mac, Taker { field: mac_field, adapter: &path })?;
    let VnicSpec { lan, vlan, mtu, qos, mac: mac_source } = spec.clone();
    let (id, home) = (draft.new_adapter_id()?, Home::default());
    let vnic = Vnic { name: name.clone(), id, mac, mac_source, lan, vlan, mtu, qos, home };
    draft.edit::<Profile>(profile)?.vnics.insert(name.clone(), vnic);
    Ok(())
}

fn obtain(draft: &mut Draft<'_>, source: &MacSource, taker: Taker<'_>) -> Result<MacAddress, Rejection> {
    match source {
        MacSource::Pool(pool) => draft.draw_mac(pool, taker),
        MacSource::Fixed(mac) => draft.claim_mac(*mac, taker).map(|()| *mac),
    }
}

fn require<'d>(draft: &'d Draft<'_>, profile: &Name, name: &Name) -> Result<&'d Vnic, Rejection> {
    let vnic = draft.require::<Profile>(profile)?.vnics.get(name);
    vnic.ok_or_else(|| Rejection::AdapterNotFound { adapter: adapter_path(profile, KIND, name) })
}
