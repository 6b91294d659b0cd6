//! Devices of adapters on servers: what the answering director was told by the agents, beside what is replicated.

use twinrail_proto::domain::{AdapterId, AdapterKind, Name, Profile, ResourceKind};
use twinrail_proto::grpc::convert::{Path, Problems, parse_reference};
use twinrail_proto::grpc::v1;

use super::Api;
use crate::director::DeviceState;

impl Api {
    /// Of an adapter of this profile.
    pub fn device(&self, profile: &Profile, kind: AdapterKind, adapter: AdapterId) -> Option<v1::Device> {
        let binding = profile.binding.as_ref()?;
        write_device(self.cluster.device(&binding.server, adapter), kind, &binding.server, self.cluster.own())
    }

    /// For all adapters of a profile that was written already.
    pub fn add_devices(&self, profile: &mut v1::Profile) {
        let server = profile.binding.as_ref().map(|it| it.server.as_str()).unwrap_or_default();
        let at = Path::Root("binding.server");
        let Some(server) = parse_reference(ResourceKind::Server, server, &at, &mut Problems::default()) else { return };
        let device = |kind, adapter| {
            write_device(self.cluster.device(&server, AdapterId(adapter)), kind, &server, self.cluster.own())
        };
        for vnic in profile.vnics.values_mut() {
            vnic.device = device(AdapterKind::Vnic, vnic.adapter_id);
        }
        for vhba in profile.vhbas.values_mut() {
            vhba.device = device(AdapterKind::Vhba, vhba.adapter_id);
        }
    }
}

fn write_device(state: DeviceState, kind: AdapterKind, server: &Name, own: &Name) -> Option<v1::Device> {
    let (state, problem) = match (state, kind) {
        // Agents make no devices of vHBAs: silence means nothing.
        (DeviceState::Unattached | DeviceState::Unheard, AdapterKind::Vhba) => return None,
        (DeviceState::Unattached, AdapterKind::Vnic) => {
            let problem = format!("the agent of server {server} is not attached to {own}, the director that was asked");
            (v1::DeviceState::Pending, problem)
        }
        (DeviceState::Unheard, AdapterKind::Vnic) => (v1::DeviceState::Pending, String::new()),
        (DeviceState::Up, _) => (v1::DeviceState::Up, String::new()),
        (DeviceState::Failed(problem), _) => (v1::DeviceState::Failed, problem),
    };
    Some(v1::Device { state: state.into(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_with_what_is_wrong() {
        use AdapterKind::{Vhba, Vnic};
        use DeviceState::{Failed, Unattached, Unheard, Up};
        let (server, own) = (Name::new("s1").unwrap(), Name::new("d1").unwrap());
        let seen = |state, kind| write_device(state, kind, &server, &own).map(|it| (it.state(), it.problem));
        let taken = || Failed("the name is taken".into());
        assert_eq!(seen(Up, Vnic), Some((v1::DeviceState::Up, String::new())));
        assert_eq!(seen(Unheard, Vnic), Some((v1::DeviceState::Pending, String::new())));
        assert_eq!(seen(taken(), Vnic), Some((v1::DeviceState::Failed, "the name is taken".into())));
        let (state, problem) = seen(Unattached, Vnic).unwrap();
        assert_eq!(state, v1::DeviceState::Pending);
        assert!(problem.contains("server s1 is not attached to d1"), "{problem}");
        assert_eq!((seen(Unattached, Vhba), seen(Unheard, Vhba)), (None, None));
        assert_eq!(seen(Up, Vhba), Some((v1::DeviceState::Up, String::new())));
    }
}
