//! Profiles: made with all their adapters at once, deleted with all of them.

use std::collections::BTreeMap;

use twinrail_proto::domain::{Name, Profile, Revision, Template};

use super::checks::check_adapter_count;
use super::{vhbas, vnics};
use crate::state::draft::Draft;
use crate::state::kept::Kept;
use crate::state::{ProfileSpec, Rejection};

pub(super) fn create(draft: &mut Draft<'_>, name: &Name, spec: &ProfileSpec) -> Result<(), Rejection> {
    let template = match &spec.template {
        Some(template) => Some(draft.refer::<Template>(template, || "profile.template".to_owned())?.clone()),
        None => None,
    };
    let from_template = template.as_ref().map_or(0, |it| it.vnics.len() + it.vhbas.len());
    let count = from_template + spec.vnics.len() + spec.vhbas.len();
    check_adapter_count(|| Profile::key(name).to_string(), count)?;
    draft.create(Profile {
        name: name.clone(),
        template: spec.template.clone(),
        vnics: BTreeMap::new(),
        vhbas: BTreeMap::new(),
        binding: None,
    })?;
    for (adapter, vnic) in template.iter().flat_map(|template| &template.vnics) {
        vnics::add_from_template(draft, name, adapter, vnic)?;
    }
    for (adapter, vhba) in template.iter().flat_map(|template| &template.vhbas) {
        vhbas::add_from_template(draft, name, adapter, vhba)?;
    }
    for (adapter, vnic) in &spec.vnics {
        vnics::add(draft, name, adapter, vnic, &format!("profile.vnics[{adapter}]"))?;
    }
    for (adapter, vhba) in &spec.vhbas {
        vhbas::add(draft, name, adapter, vhba, &format!("profile.vhbas[{adapter}]"))?;
    }
    Ok(())
}

pub(super) fn delete(draft: &mut Draft<'_>, name: &Name, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Profile>(name, if_match)?;
    if let Some(binding) = &draft.require::<Profile>(name)?.binding {
        return Err(Rejection::StillBound { profile: name.clone(), server: binding.server.clone() });
    }
    draft.remove::<Profile>(name);
    Ok(())
}
