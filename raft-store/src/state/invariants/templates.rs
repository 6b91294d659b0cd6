//! A profile of an updating template has what the template says. (Its identities may be from an earlier pool.)

use twinrail_proto::domain::{Profile, Template, TemplateMode};

use crate::state::State;

pub(super) fn check(state: &State) -> Vec<String> {
    let ruled = state.profiles().values().map(|versioned| &versioned.value).filter_map(|profile| {
        let template = &state.templates().get(profile.template.as_ref()?)?.value;
        (template.mode == TemplateMode::Updating).then_some((profile, template))
    });
    ruled.flat_map(|(profile, template)| differences(profile, template)).collect()
}

fn differences(profile: &Profile, template: &Template) -> Vec<String> {
    let vnics = template.vnics.iter().filter(|(name, wanted)| {
        let wanted = (&wanted.lan, &wanted.vlan, wanted.mtu, &wanted.qos);
        profile.vnics.get(*name).map(|vnic| (&vnic.lan, &vnic.vlan, vnic.mtu, &vnic.qos)) != Some(wanted)
    });
    let vhbas = template.vhbas.iter().filter(|(name, wanted)| {
        profile.vhbas.get(*name).map(|vhba| (&vhba.san, &vhba.qos)) != Some((&wanted.san, &wanted.qos))
    });
    let names = vnics.map(|(name, _)| name).chain(vhbas.map(|(name, _)| name));
    names.map(|name| format!("{name} of {} is not as in {}", profile.name, template.name)).collect()
}
