use std::collections::BTreeMap;

use crate::domain::{Name, ResourceKind, Template, TemplateMode, VhbaTemplate, VnicTemplate};
use crate::grpc::v1;

use super::{
    Path, Problems, Stamp, etag, parse_name, parse_optional_reference, parse_reference, read_luns, read_mtu, read_vlan,
    reference, resource_name, timestamp, write_luns, write_vlan,
};

pub fn write_template(template: &Template, stamp: Stamp) -> v1::Template {
    let Template { name, mode, vnics, vhbas } = template;
    let mode = match mode {
        TemplateMode::Initial => v1::TemplateMode::Initial,
        TemplateMode::Updating => v1::TemplateMode::Updating,
    };
    v1::Template {
        name: resource_name(ResourceKind::Template, name),
        mode: mode.into(),
        vnics: vnics.iter().map(|(name, vnic)| (name.to_string(), write_vnic(vnic))).collect(),
        vhbas: vhbas.iter().map(|(name, vhba)| (name.to_string(), write_vhba(vhba))).collect(),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_template(message: v1::Template, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Template> {
    let v1::Template { name: _, mode, vnics, vhbas, etag: _, create_time: _, update_time: _ } = message;
    let mode = read_mode(mode, &at.field("mode"), problems);
    let vnics = read_map(vnics, &at.field("vnics"), problems, read_vnic);
    let vhbas = read_map(vhbas, &at.field("vhbas"), problems, read_vhba);
    Some(Template { name, mode: mode?, vnics: vnics?, vhbas: vhbas? })
}

fn read_mode(mode: i32, at: &Path<'_>, problems: &mut Problems) -> Option<TemplateMode> {
    match v1::TemplateMode::try_from(mode) {
        Ok(v1::TemplateMode::Initial) => Some(TemplateMode::Initial),
        Ok(v1::TemplateMode::Updating) => Some(TemplateMode::Updating),
        Ok(v1::TemplateMode::Unspecified) | Err(_) => {
            problems.add(at, "say which: TEMPLATE_MODE_INITIAL (copied once) or TEMPLATE_MODE_UPDATING");
            None
        }
    }
}

/// Reads a map whose keys are names. All its entries are read, so that all problems are found.
pub fn read_map<M, T>(
    messages: BTreeMap<String, M>,
    at: &Path<'_>,
    problems: &mut Problems,
    read: fn(M, &Path<'_>, &mut Problems) -> Option<T>,
) -> Option<BTreeMap<Name, T>> {
    let mut values = BTreeMap::new();
    let mut complete = true;
    for (key, message) in messages {
        let at = at.key(&key);
        let name = parse_name(&key, &at, problems);
        match name.zip(read(message, &at, problems)) {
            Some((name, value)) => {
                values.insert(name, value);
            }
            None => complete = false,
        }
    }
    complete.then_some(values)
}

fn write_vnic(vnic: &VnicTemplate) -> v1::VnicTemplate {
    let VnicTemplate { lan, vlan, mtu, qos, mac_pool } = vnic;
    v1::VnicTemplate {
        lan: resource_name(ResourceKind::Lan, lan),
        vlan: Some(write_vlan(vlan)),
        mtu: Some(u32::from(mtu.get())),
        qos_policy: reference(ResourceKind::QosPolicy, qos.as_ref()),
        mac_pool: resource_name(ResourceKind::Pool, mac_pool),
    }
}

fn read_vnic(message: v1::VnicTemplate, at: &Path<'_>, problems: &mut Problems) -> Option<VnicTemplate> {
    let v1::VnicTemplate { lan, vlan, mtu, qos_policy, mac_pool } = message;
    let lan = parse_reference(ResourceKind::Lan, &lan, &at.field("lan"), problems);
    let vlan = read_vlan(vlan, &at.field("vlan"), problems);
    let mtu = read_mtu(mtu, &at.field("mtu"), problems);
    let qos = parse_optional_reference(ResourceKind::QosPolicy, &qos_policy, &at.field("qos_policy"), problems);
    let mac_pool = parse_reference(ResourceKind::Pool, &mac_pool, &at.field("mac_pool"), problems);
    Some(VnicTemplate { lan: lan?, vlan: vlan?, mtu: mtu?, qos: qos?, mac_pool: mac_pool? })
}

fn write_vhba(vhba: &VhbaTemplate) -> v1::VhbaTemplate {
    let VhbaTemplate { san, qos, wwn_pool, luns } = vhba;
    let (lun_mask, boot_lun) = write_luns(luns);
    v1::VhbaTemplate {
        san: resource_name(ResourceKind::San, san),
        qos_policy: reference(ResourceKind::QosPolicy, qos.as_ref()),
        wwn_pool: resource_name(ResourceKind::Pool, wwn_pool),
        lun_mask,
        boot_lun,
    }
}

fn read_vhba(message: v1::VhbaTemplate, at: &Path<'_>, problems: &mut Problems) -> Option<VhbaTemplate> {
    let v1::VhbaTemplate { san, qos_policy, wwn_pool, lun_mask, boot_lun } = message;
    let luns = read_luns(&lun_mask, boot_lun, at, problems);
    let san = parse_reference(ResourceKind::San, &san, &at.field("san"), problems);
    let qos = parse_optional_reference(ResourceKind::QosPolicy, &qos_policy, &at.field("qos_policy"), problems);
    let wwn_pool = parse_reference(ResourceKind::Pool, &wwn_pool, &at.field("wwn_pool"), problems);
    Some(VhbaTemplate { san: san?, qos: qos?, wwn_pool: wwn_pool?, luns: luns? })
}
