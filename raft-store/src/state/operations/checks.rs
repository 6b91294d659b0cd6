//! Checks of values that more than one operation needs.

use std::net::IpAddr;

use twinrail_proto::domain::{
    AdapterKind, Lan, MAX_ADAPTERS_PER_PROFILE, MacAddress, Name, Profile, QosPolicy, RailAddresses, ResourceKey, San,
    Template, TemplateMode, Wwn,
};

use crate::state::draft::{Draft, adapter_path};
use crate::state::limits::{MAX_MACHINE_TEXT, MAX_VNIC_NAME};
use crate::state::{Rejection, VhbaSpec, VnicSpec};

pub(super) fn invalid(field: &str, problem: impl ToString) -> Rejection {
    Rejection::Invalid { field: field.to_owned(), problem: problem.to_string() }
}

/// Text without blanks that a machine made: ids, ports, addresses.
pub(super) fn check_text(field: &str, text: &str, longest: usize) -> Result<(), Rejection> {
    if text.is_empty() {
        return Err(invalid(field, "must not be empty"));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(invalid(field, format!("has the character {odd:?}; printable ASCII without blanks is allowed")));
    }
    if text.len() > longest {
        return Err(invalid(field, format!("has {} characters; at most {longest} are allowed", text.len())));
    }
    Ok(())
}

pub(super) fn check_machine_text(field: &str, text: &Option<String>) -> Result<(), Rejection> {
    text.as_ref().map_or(Ok(()), |text| check_text(field, text, MAX_MACHINE_TEXT))
}

/// Both addresses can be a machine's, they differ, and none of `others` has one of them.
pub(super) fn check_rails(
    field: &str,
    rails: &RailAddresses,
    others: impl Iterator<Item = (ResourceKey, RailAddresses)>,
) -> Result<(), Rejection> {
    for (rail, address) in [("a", rails.a), ("b", rails.b)] {
        if address.is_unspecified() || address.is_multicast() || is_broadcast(address) {
            let problem = format!("{address} is no machine's address; give the address on this rail");
            return Err(invalid(&format!("{field}.{rail}"), problem));
        }
    }
    if rails.a == rails.b {
        let problem = format!("{} is the address on both rails; they are two networks", rails.a);
        return Err(invalid(&format!("{field}.b"), problem));
    }
    for (holder, taken) in others {
        for (rail, address) in [("a", rails.a), ("b", rails.b)] {
            if [taken.a, taken.b].contains(&address) {
                return Err(Rejection::AddressTaken { field: format!("{field}.{rail}"), address, holder });
            }
        }
    }
    Ok(())
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

/// Everything of a vNIC but its MAC.
pub(super) fn check_vnic(draft: &Draft<'_>, field: &str, name: &Name, spec: &VnicSpec) -> Result<(), Rejection> {
    let length = name.as_str().len();
    if length > MAX_VNIC_NAME {
        let problem =
            format!("'{name}' has {length} characters; a vNIC is a device of its name, {MAX_VNIC_NAME} are allowed");
        return Err(invalid(&format!("{field}.name"), problem));
    }
    draft.refer::<Lan>(&spec.lan, || format!("{field}.lan"))?;
    spec.vlan.check().map_err(|error| invalid(&format!("{field}.vlan"), error))?;
    check_qos(draft, field, spec.qos.as_ref())
}

/// Everything of a vHBA but its world-wide names.
pub(super) fn check_vhba(draft: &Draft<'_>, field: &str, spec: &VhbaSpec) -> Result<(), Rejection> {
    draft.refer::<San>(&spec.san, || format!("{field}.san"))?;
    spec.luns.check().map_err(|error| invalid(&format!("{field}.boot_lun"), error))?;
    check_qos(draft, field, spec.qos.as_ref())
}

fn check_qos(draft: &Draft<'_>, field: &str, qos: Option<&Name>) -> Result<(), Rejection> {
    qos.map_or(Ok(()), |qos| draft.refer::<QosPolicy>(qos, || format!("{field}.qos")).map(drop))
}

pub(super) fn check_adapter_count(what: impl FnOnce() -> String, count: usize) -> Result<(), Rejection> {
    if count > MAX_ADAPTERS_PER_PROFILE {
        let limit = MAX_ADAPTERS_PER_PROFILE;
        return Err(Rejection::LimitReached { field: None, what: format!("adapters of {}", what()), limit });
    }
    Ok(())
}

/// Refuses to change by hand what an updating template rules.
pub(super) fn check_not_ruled(
    draft: &Draft<'_>,
    profile: &Profile,
    kind: AdapterKind,
    name: &Name,
) -> Result<(), Rejection> {
    let template = profile.template.as_ref().and_then(|template| draft.get::<Template>(template));
    match template {
        Some(template) if rules(template, kind, name) => Err(Rejection::RuledByTemplate {
            adapter: adapter_path(&profile.name, kind, name),
            template: template.name.clone(),
        }),
        _ => Ok(()),
    }
}

fn rules(template: &Template, kind: AdapterKind, name: &Name) -> bool {
    template.mode == TemplateMode::Updating
        && match kind {
            AdapterKind::Vnic => template.vnics.contains_key(name),
            AdapterKind::Vhba => template.vhbas.contains_key(name),
        }
}

pub(super) fn check_mac_pool(draft: &Draft<'_>, pool: &Name, field: &str) -> Result<(), Rejection> {
    draft.check_pool::<MacAddress>(pool, field)
}

pub(super) fn check_wwn_pool(draft: &Draft<'_>, pool: &Name, field: &str) -> Result<(), Rejection> {
    draft.check_pool::<Wwn>(pool, field)
}
