use crate::domain::{Binding, BindingPhase, Profile, ResourceKind};
use crate::grpc::v1;

use super::{Stamp, etag, reference, resource_name, timestamp, write_vhba, write_vnic};

pub fn write_profile(profile: &Profile, stamp: Stamp) -> v1::Profile {
    let Profile { name, template, vnics, vhbas, binding } = profile;
    let modified = stamp.modified;
    v1::Profile {
        name: resource_name(ResourceKind::Profile, name),
        template: reference(ResourceKind::Template, template.as_ref()),
        vnics: vnics.iter().map(|(key, vnic)| (key.to_string(), write_vnic(name, vnic, modified))).collect(),
        vhbas: vhbas.iter().map(|(key, vhba)| (key.to_string(), write_vhba(name, vhba, modified))).collect(),
        binding: binding.as_ref().map(write_binding),
        etag: etag(modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

fn write_binding(binding: &Binding) -> v1::Binding {
    let Binding { server, phase } = binding;
    let (state, target) = match phase {
        BindingPhase::Active => (v1::BindingState::Active, None),
        BindingPhase::Releasing { to } => (v1::BindingState::Releasing, to.as_ref()),
    };
    v1::Binding {
        server: resource_name(ResourceKind::Server, server),
        state: state.into(),
        target: reference(ResourceKind::Server, target),
    }
}
