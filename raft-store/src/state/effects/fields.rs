//! The fields of each part, as people read them. Fields without a value are left out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use twinrail_proto::domain::{
    AdminState, Binding, BindingPhase, Director, DirectorRole, Epoch, FailoverReceipt, Home, Lan, LunChoice, LunNumber,
    MacSource, Name, Pool, PoolRanges, QosPolicy, RailAddresses, San, SanDisk, SanFence, Server, TemplateMode, Vhba,
    VhbaTemplate, Vnic, VnicTemplate, WwnSource,
};

use super::Value;

pub(super) type Field = (Cow<'static, str>, String);

impl Value<'_> {
    pub(super) fn fields(self) -> Vec<Field> {
        match self {
            Value::Director(it) => director(it),
            Value::Server(it) => server(it),
            Value::Lan(Lan { name: _, uplinks: ports }) => uplinks(ports),
            Value::San(it) => san(it),
            Value::Pool(it) => pool(it),
            Value::QosPolicy(it) => qos_policy(it),
            Value::Template(it) => vec![field("mode", template_mode(it.mode))],
            Value::VnicTemplate(it) => vnic_template(it),
            Value::VhbaTemplate(it) => vhba_template(it),
            Value::Profile(it) => {
                let server = it.binding.as_ref().map(|binding| field("server", binding_text(binding)));
                optional("template", &it.template).into_iter().chain(server).collect()
            }
            Value::Vnic(it) => vnic(it),
            Value::Vhba(it) => vhba(it),
            Value::Failover(it) => failover(it),
        }
    }
}

fn field(name: &'static str, value: impl ToString) -> Field {
    (Cow::Borrowed(name), value.to_string())
}

fn optional(name: &'static str, value: &Option<impl ToString>) -> Option<Field> {
    value.as_ref().map(|value| field(name, value.to_string()))
}

fn director(it: &Director) -> Vec<Field> {
    let Director { name: _, id, role, admin_state, rails, api_address, store_id } = it;
    let role = match role {
        DirectorRole::Active => "active",
        DirectorRole::Spare => "spare",
        DirectorRole::Witness => "witness",
    };
    let admin_state = match admin_state {
        AdminState::Enabled => "enabled",
        AdminState::Drained => "drained",
    };
    let mut fields = vec![field("id", id), field("role", role), field("admin_state", admin_state)];
    fields.extend(rail_fields(rails));
    fields.push(field("api_address", api_address));
    fields.extend(optional("store_id", store_id));
    fields
}

fn rail_fields(rails: &RailAddresses) -> [Field; 2] {
    [field("rails.a", rails.a), field("rails.b", rails.b)]
}

fn server(it: &Server) -> Vec<Field> {
    let Server { name: _, machine_id, rails, spare, max_adapters } = it;
    let mut fields = Vec::from_iter(optional("machine_id", machine_id));
    fields.extend(rails.iter().flat_map(rail_fields));
    fields.extend([field("spare", spare), field("max_adapters", max_adapters)]);
    fields
}

fn uplinks(uplinks: &BTreeMap<Name, impl ToString>) -> Vec<Field> {
    uplinks.iter().map(|(director, port)| (Cow::Owned(format!("uplinks[{director}]")), port.to_string())).collect()
}

fn san(it: &San) -> Vec<Field> {
    let San { name: _, uplinks: ports, fence, chap, digests, disks, masks } = it;
    let mut fields = uplinks(ports);
    if *fence == SanFence::Login {
        fields.push(field("fence", "login"));
    }
    fields.extend(chap.as_ref().map(|it| field("chap.user", &it.user)));
    let digests = [("header_digest", digests.header), ("data_digest", digests.data)];
    fields.extend(digests.into_iter().filter(|it| it.1).map(|(name, _)| field(name, "crc32c")));
    fields.extend(disks.iter().map(|(name, SanDisk { octets, block_length })| {
        (Cow::Owned(format!("disks[{name}]")), format!("{octets} octets in blocks of {block_length}"))
    }));
    let shown = masks.iter().flat_map(|(wwpn, luns)| luns.iter().map(move |(lun, disk)| (wwpn, lun, disk)));
    fields.extend(shown.map(|(wwpn, lun, disk)| (Cow::Owned(format!("masks[{wwpn}].{lun}")), disk.to_string())));
    fields
}

fn luns(LunChoice { mask, boot }: &LunChoice) -> Vec<Field> {
    let numbers: Vec<String> = mask.iter().map(LunNumber::to_string).collect();
    let mask = (!mask.is_empty()).then(|| field("lun_mask", numbers.join(",")));
    mask.into_iter().chain(optional("boot_lun", boot)).collect()
}

fn pool(it: &Pool) -> Vec<Field> {
    let Pool { name: _, ranges, quarantine_seconds } = it;
    let ranges = match ranges {
        PoolRanges::Mac(ranges) => field("mac_ranges", range_text(ranges)),
        PoolRanges::Wwn(ranges) => field("wwn_ranges", range_text(ranges)),
    };
    vec![ranges, field("quarantine_seconds", quarantine_seconds)]
}

fn range_text(ranges: &[(impl ToString, impl ToString)]) -> String {
    let texts: Vec<String> =
        ranges.iter().map(|(first, last)| format!("{}-{}", first.to_string(), last.to_string())).collect();
    texts.join(", ")
}

fn qos_policy(it: &QosPolicy) -> Vec<Field> {
    let QosPolicy { name: _, min_mbps, max_mbps, burst_kib, priority } = it;
    vec![
        field("min_mbps", min_mbps),
        field("max_mbps", max_mbps),
        field("burst_kib", burst_kib),
        field("priority", priority),
    ]
}

fn template_mode(mode: TemplateMode) -> &'static str {
    match mode {
        TemplateMode::Initial => "initial",
        TemplateMode::Updating => "updating",
    }
}

fn vnic_template(it: &VnicTemplate) -> Vec<Field> {
    let VnicTemplate { lan, vlan, mtu, qos, mac_pool } = it;
    let mut fields = vec![field("lan", lan), field("vlan", vlan), field("mtu", mtu)];
    fields.extend(optional("qos", qos));
    fields.push(field("mac_pool", mac_pool));
    fields
}

fn vhba_template(it: &VhbaTemplate) -> Vec<Field> {
    let VhbaTemplate { san, qos, wwn_pool, luns: choice } = it;
    let mut fields = vec![field("san", san)];
    fields.extend(optional("qos", qos));
    fields.push(field("wwn_pool", wwn_pool));
    fields.extend(luns(choice));
    fields
}

fn binding_text(Binding { server, phase }: &Binding) -> String {
    match phase {
        BindingPhase::Active => server.to_string(),
        BindingPhase::Releasing { to: Some(to) } => format!("{server} (releasing, then {to})"),
        BindingPhase::Releasing { to: None } => format!("{server} (releasing)"),
    }
}

fn vnic(it: &Vnic) -> Vec<Field> {
    let Vnic { name: _, id, mac, mac_source, lan, vlan, mtu, qos, home } = it;
    let source = match mac_source {
        MacSource::Pool(pool) => format!("pool {pool}"),
        MacSource::Fixed(_) => "fixed".to_owned(),
    };
    let mut fields = vec![field("adapter_id", id), field("mac", mac), field("mac_source", source), field("lan", lan)];
    fields.extend([field("vlan", vlan), field("mtu", mtu)]);
    fields.extend(optional("qos", qos));
    fields.extend(home_fields(home));
    fields
}

fn vhba(it: &Vhba) -> Vec<Field> {
    let Vhba { name: _, id, wwpn, wwnn, wwn_source, san, qos, luns: choice, home } = it;
    let source = match wwn_source {
        WwnSource::Pool(pool) => format!("pool {pool}"),
        WwnSource::Fixed { .. } => "fixed".to_owned(),
    };
    let mut fields = vec![field("adapter_id", id), field("wwpn", wwpn), field("wwnn", wwnn)];
    fields.extend([field("wwn_source", source), field("san", san)]);
    fields.extend(optional("qos", qos));
    fields.extend(luns(choice));
    fields.extend(home_fields(home));
    fields
}

fn home_fields(Home { director, epoch, successors }: &Home) -> Vec<Field> {
    let mut fields = Vec::new();
    match director {
        Some(director) => fields.push(field("home", format!("{director} (epoch {epoch})"))),
        None if *epoch > Epoch::default() => fields.push(field("home", format!("none (epoch {epoch})"))),
        None => {}
    }
    if !successors.is_empty() {
        let names: Vec<&str> = successors.iter().map(Name::as_str).collect();
        fields.push(field("successors", names.join(", ")));
    }
    fields
}

fn failover(it: &FailoverReceipt) -> Vec<Field> {
    let mut fields = vec![field("decided_by", &it.decided_by), field("moves", it.moves.len())];
    fields.extend(it.committed.map(|at| field("committed", at)));
    for step in &it.moves {
        let times = [("carrying", step.carrying), ("announced", step.announced)];
        let seen = times.into_iter().filter_map(|(name, time)| Some((name, time?)));
        fields.extend(seen.map(|(name, time)| (Cow::Owned(format!("{}.{name}", step.resource)), time.to_string())));
        let phases: Vec<String> = step.phases.iter().map(|it| format!("{} {} ms", it.phase, it.ms)).collect();
        if !phases.is_empty() {
            fields.push((Cow::Owned(format!("{}.phases", step.resource)), phases.join(", ")));
        }
    }
    fields
}
