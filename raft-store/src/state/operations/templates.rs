//! Templates, and how an updating one reaches its profiles: all of them in one command, or none.

use std::collections::BTreeSet;

use twinrail_proto::domain::{
    AdapterKind, MacSource, Name, Profile, Revision, Template, TemplateMode, VhbaTemplate, VnicTemplate, WwnSource,
};

use super::checks::{check_adapter_count, check_mac_pool, check_vhba, check_vnic, check_wwn_pool};
use super::homes::reset;
use super::{vhbas, vnics};
use crate::state::draft::{Draft, adapter_path};
use crate::state::kept::Kept;
use crate::state::{Rejection, VhbaSpec, VnicSpec};

pub(super) fn create(draft: &mut Draft<'_>, template: &Template) -> Result<(), Rejection> {
    check(draft, template)?;
    draft.create(template.clone())
}

pub(super) fn update(draft: &mut Draft<'_>, template: &Template, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Template>(&template.name, if_match)?;
    check(draft, template)?;
    let before = draft.require::<Template>(&template.name)?.clone();
    let profiles = draft.profiles_where(|profile| profile.template.as_ref() == Some(&template.name));
    draft.put(template.clone());
    match (before.mode, template.mode) {
        (_, TemplateMode::Initial) => Ok(()),
        (TemplateMode::Initial, TemplateMode::Updating) if profiles.is_empty() => Ok(()),
        (TemplateMode::Initial, TemplateMode::Updating) => {
            Err(Rejection::ModeFixed { template: template.name.clone(), profiles: profiles.len() })
        }
        (TemplateMode::Updating, TemplateMode::Updating) => {
            profiles.iter().try_for_each(|profile| conform(draft, profile, &before, template))
        }
    }
}

/// What the template asks for, as a client would.
pub(super) fn vnic_spec(VnicTemplate { lan, vlan, mtu, qos, mac_pool }: &VnicTemplate) -> VnicSpec {
    let mac = MacSource::Pool(mac_pool.clone());
    VnicSpec { lan: lan.clone(), vlan: vlan.clone(), mtu: *mtu, qos: qos.clone(), mac }
}

/// See [`vnic_spec`].
pub(super) fn vhba_spec(VhbaTemplate { san, qos, wwn_pool, luns }: &VhbaTemplate) -> VhbaSpec {
    let wwn = WwnSource::Pool(wwn_pool.clone());
    VhbaSpec { san: san.clone(), qos: qos.clone(), wwn, luns: luns.clone() }
}

/// The field of the template's vNIC or vHBA that an error is about.
pub(super) fn field(kind: AdapterKind, name: &Name) -> String {
    match kind {
        AdapterKind::Vnic => format!("template.vnics[{name}]"),
        AdapterKind::Vhba => format!("template.vhbas[{name}]"),
    }
}

fn check(draft: &Draft<'_>, template: &Template) -> Result<(), Rejection> {
    let count = template.vnics.len() + template.vhbas.len();
    check_adapter_count(|| Template::key(&template.name).to_string(), count)?;
    for (name, vnic) in &template.vnics {
        let field = field(AdapterKind::Vnic, name);
        check_vnic(draft, &field, name, &vnic_spec(vnic))?;
        check_mac_pool(draft, &vnic.mac_pool, &format!("{field}.mac_pool"))?;
    }
    for (name, vhba) in &template.vhbas {
        let field = field(AdapterKind::Vhba, name);
        check_vhba(draft, &field, &vhba_spec(vhba))?;
        check_wwn_pool(draft, &vhba.wwn_pool, &format!("{field}.wwn_pool"))?;
    }
    Ok(())
}

/// Brings a profile from one version of its template to the next. What was there before keeps its identity, also when the
/// template draws from another pool now; a changed LAN or SAN needs a new home.
fn conform(draft: &mut Draft<'_>, profile: &Name, before: &Template, after: &Template) -> Result<(), Rejection> {
    let gone_vnics: BTreeSet<&Name> = before.vnics.keys().filter(|name| !after.vnics.contains_key(*name)).collect();
    let gone_vhbas: BTreeSet<&Name> = before.vhbas.keys().filter(|name| !after.vhbas.contains_key(*name)).collect();
    let edited = draft.edit::<Profile>(profile)?;
    edited.vnics.retain(|name, _| !gone_vnics.contains(name));
    edited.vhbas.retain(|name, _| !gone_vhbas.contains(name));
    for (name, vnic) in &after.vnics {
        conform_vnic(draft, profile, name, vnic, after, before.vnics.contains_key(name))?;
    }
    for (name, vhba) in &after.vhbas {
        conform_vhba(draft, profile, name, vhba, after, before.vhbas.contains_key(name))?;
    }
    let edited = draft.require::<Profile>(profile)?;
    check_adapter_count(|| Profile::key(profile).to_string(), edited.vnics.len() + edited.vhbas.len())
}

fn conform_vnic(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    wanted: &VnicTemplate,
    template: &Template,
    ruled: bool,
) -> Result<(), Rejection> {
    let present = draft.edit::<Profile>(profile)?.vnics.get_mut(name);
    match present {
        Some(_) if !ruled => Err(conflict(profile, AdapterKind::Vnic, name, template)),
        Some(vnic) => {
            if vnic.lan != wanted.lan {
                reset(&mut vnic.home);
            }
            let VnicTemplate { lan, vlan, mtu, qos, mac_pool: _ } = wanted.clone();
            (vnic.lan, vnic.vlan, vnic.mtu, vnic.qos) = (lan, vlan, mtu, qos);
            Ok(())
        }
        None => vnics::add_from_template(draft, profile, name, wanted),
    }
}

fn conform_vhba(
    draft: &mut Draft<'_>,
    profile: &Name,
    name: &Name,
    wanted: &VhbaTemplate,
    template: &Template,
    ruled: bool,
) -> Result<(), Rejection> {
    let present = draft.edit::<Profile>(profile)?.vhbas.get_mut(name);
    match present {
        Some(_) if !ruled => Err(conflict(profile, AdapterKind::Vhba, name, template)),
        Some(vhba) => {
            if vhba.san != wanted.san {
                reset(&mut vhba.home);
            }
            let VhbaTemplate { san, qos, wwn_pool: _, luns } = wanted.clone();
            (vhba.san, vhba.qos, vhba.luns) = (san, qos, luns);
            Ok(())
        }
        None => vhbas::add_from_template(draft, profile, name, wanted),
    }
}

fn conflict(profile: &Name, kind: AdapterKind, name: &Name, template: &Template) -> Rejection {
    let adapter = adapter_path(profile, kind, name);
    Rejection::TemplateConflict { field: field(kind, name), adapter, template: template.name.clone() }
}
