//! Deleting what others refer to: refused while anything does.

use twinrail_proto::domain::{
    AdapterKind, Lan, MacSource, Name, Pool, Profile, QosPolicy, ResourceKey, ResourceKind, Revision, San, Template,
    WwnSource,
};

use super::{directors, profiles, servers};
use crate::state::Rejection;
use crate::state::draft::{Draft, adapter_path};
use crate::state::kept::Kept;

pub(super) fn delete(draft: &mut Draft<'_>, key: &ResourceKey, if_match: Option<Revision>) -> Result<(), Rejection> {
    match key.kind {
        ResourceKind::Director => directors::delete(draft, &key.name, if_match),
        ResourceKind::Server => servers::delete(draft, &key.name, if_match),
        ResourceKind::Profile => profiles::delete(draft, &key.name, if_match),
        ResourceKind::Failover => Err(Rejection::NotDeletable { key: key.clone() }),
        ResourceKind::Lan => remove_unused::<Lan>(draft, key, if_match),
        ResourceKind::San => remove_unused::<San>(draft, key, if_match),
        ResourceKind::Pool => remove_unused::<Pool>(draft, key, if_match),
        ResourceKind::QosPolicy => remove_unused::<QosPolicy>(draft, key, if_match),
        ResourceKind::Template => remove_unused::<Template>(draft, key, if_match),
    }
}

fn remove_unused<T: Kept>(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    if_match: Option<Revision>,
) -> Result<(), Rejection> {
    draft.check_etag::<T>(&key.name, if_match)?;
    draft.check_unreferenced(key.clone(), users(draft, key.kind, &key.name))?;
    draft.remove::<T>(&key.name);
    Ok(())
}

fn users(draft: &Draft<'_>, kind: ResourceKind, name: &Name) -> impl Iterator<Item = String> {
    let templates = draft.all::<Template>().flat_map(move |template| template_users(template, kind, name));
    templates.chain(draft.all::<Profile>().flat_map(move |profile| profile_users(profile, kind, name)))
}

fn template_users(template: &Template, kind: ResourceKind, name: &Name) -> Vec<String> {
    let key = Template::key(&template.name);
    let vnics = template.vnics.iter().filter(|(_, vnic)| match kind {
        ResourceKind::Lan => vnic.lan == *name,
        ResourceKind::Pool => vnic.mac_pool == *name,
        ResourceKind::QosPolicy => vnic.qos.as_ref() == Some(name),
        _ => false,
    });
    let vhbas = template.vhbas.iter().filter(|(_, vhba)| match kind {
        ResourceKind::San => vhba.san == *name,
        ResourceKind::Pool => vhba.wwn_pool == *name,
        ResourceKind::QosPolicy => vhba.qos.as_ref() == Some(name),
        _ => false,
    });
    let vnics = vnics.map(|(vnic, _)| format!("{key}/vnics/{vnic}"));
    vnics.chain(vhbas.map(|(vhba, _)| format!("{key}/vhbas/{vhba}"))).collect()
}

fn profile_users(profile: &Profile, kind: ResourceKind, name: &Name) -> Vec<String> {
    if kind == ResourceKind::Template {
        let made = profile.template.as_ref() == Some(name);
        return Vec::from_iter(made.then(|| Profile::key(&profile.name).to_string()));
    }
    let vnics = profile.vnics.values().filter(|vnic| match kind {
        ResourceKind::Lan => vnic.lan == *name,
        ResourceKind::Pool => matches!(&vnic.mac_source, MacSource::Pool(pool) if pool == name),
        ResourceKind::QosPolicy => vnic.qos.as_ref() == Some(name),
        _ => false,
    });
    let vhbas = profile.vhbas.values().filter(|vhba| match kind {
        ResourceKind::San => vhba.san == *name,
        ResourceKind::Pool => matches!(&vhba.wwn_source, WwnSource::Pool(pool) if pool == name),
        ResourceKind::QosPolicy => vhba.qos.as_ref() == Some(name),
        _ => false,
    });
    let path = |kind, adapter| adapter_path(&profile.name, kind, adapter);
    let vnics = vnics.map(|vnic| path(AdapterKind::Vnic, &vnic.name));
    vnics.chain(vhbas.map(|vhba| path(AdapterKind::Vhba, &vhba.name))).collect()
}
