//! Devices of adapters on servers: what the answering director was told by the agents, and by the homes of vHBAs, beside
//! what is replicated.

use twinrail_proto::domain::{AdapterId, Name, Profile, Rail, ResourceKind};
use twinrail_proto::grpc::convert::{Path, Problems, parse_reference};
use twinrail_proto::grpc::internal::v1 as internal;
use twinrail_proto::grpc::v1;

use super::Api;
use crate::director::{DeviceState, VhbaReport};

impl Api {
    /// Of an adapter of this profile.
    pub fn device(&self, profile: &Profile, adapter: AdapterId) -> Option<v1::Device> {
        Some(self.device_on(&profile.binding.as_ref()?.server, adapter))
    }

    /// For all adapters of a profile that was written already.
    pub fn add_devices(&self, profile: &mut v1::Profile) {
        let server = profile.binding.as_ref().map(|it| it.server.as_str()).unwrap_or_default();
        let Some(server) = parse(ResourceKind::Server, server) else { return };
        for vnic in profile.vnics.values_mut() {
            vnic.device = Some(self.device_on(&server, AdapterId(vnic.adapter_id)));
        }
        for vhba in profile.vhbas.values_mut() {
            vhba.device = Some(self.device_on(&server, AdapterId(vhba.adapter_id)));
            self.add_report(vhba, &server);
        }
    }

    /// What the agent of its server says of a vHBA.
    pub fn add_report(&self, vhba: &mut v1::Vhba, server: &Name) {
        if let Some(VhbaReport { luns, path }) = self.cluster.vhba(server, AdapterId(vhba.adapter_id)) {
            vhba.luns = luns.into_iter().map(write_lun).collect();
            vhba.path = Some(write_path(path));
        }
    }

    /// What its home says of a vHBA's session.
    pub async fn add_session(&self, vhba: &mut v1::Vhba) {
        let director = vhba.home.as_ref().map(|it| it.director.clone()).unwrap_or_default();
        let Some(home) = parse(ResourceKind::Director, &director) else { return };
        let session = self.cluster.vhba_session(AdapterId(vhba.adapter_id), &home).await;
        vhba.session = Some(match session {
            Ok(session) => write_session(session, director),
            Err(problem) => v1::VhbaSession { director, phase: "unknown".into(), problem, ..Default::default() },
        });
    }

    fn device_on(&self, server: &Name, adapter: AdapterId) -> v1::Device {
        write_device(self.cluster.device(server, adapter), server, self.cluster.own())
    }
}

/// None: nothing is named.
fn parse(kind: ResourceKind, name: &str) -> Option<Name> {
    parse_reference(kind, name, &Path::Root("name"), &mut Problems::default())
}

fn write_device(state: DeviceState, server: &Name, own: &Name) -> v1::Device {
    let (state, problem) = match state {
        DeviceState::Unattached => {
            let problem = format!("the agent of server {server} is not attached to {own}, the director that was asked");
            (v1::DeviceState::Pending, problem)
        }
        DeviceState::Unheard => (v1::DeviceState::Pending, String::new()),
        DeviceState::Up => (v1::DeviceState::Up, String::new()),
        DeviceState::Failed(problem) => (v1::DeviceState::Failed, problem),
    };
    v1::Device { state: state.into(), problem }
}

fn write_lun(lun: internal::Lun) -> v1::VhbaLun {
    let internal::Lun { lun, octets, block_length, export, device, problem, read_only, product } = lun;
    v1::VhbaLun { lun, octets, block_length, product, read_only, export, device, problem }
}

fn write_path(path: internal::VhbaPath) -> v1::VhbaPath {
    let internal::VhbaPath { director, rail, refusal, held, commands, read_octets, written_octets, replayed, errors } =
        path;
    let director = if director.is_empty() { director } else { format!("directors/{director}") };
    let rail = Rail::ALL.get(rail as usize).filter(|_| !director.is_empty());
    v1::VhbaPath {
        director,
        rail: rail.map(Rail::to_string).unwrap_or_default(),
        refusal,
        held,
        commands,
        read_octets,
        written_octets,
        replayed,
        errors,
    }
}

fn write_session(session: internal::VhbaSession, director: String) -> v1::VhbaSession {
    let internal::VhbaSession {
        adapter: _,
        epoch: _,
        phase,
        phase_ms,
        problem,
        luns,
        commands,
        read_octets,
        written_octets,
        logins,
        sessions_lost,
        held,
        target,
        phases,
    } = session;
    let phases = phases.into_iter().map(|internal::PhaseTime { phase, ms }| v1::PhaseTime { phase, ms });
    v1::VhbaSession {
        director,
        phase,
        phase_ms,
        problem,
        target,
        luns,
        logins,
        sessions_lost,
        commands,
        read_octets,
        written_octets,
        held,
        phases: phases.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_with_what_is_wrong() {
        use DeviceState::{Failed, Unattached, Unheard, Up};
        let (server, own) = (Name::new("s1").unwrap(), Name::new("d1").unwrap());
        let seen = |state| {
            let device = write_device(state, &server, &own);
            (device.state(), device.problem)
        };
        let taken = || Failed("the name is taken".into());
        assert_eq!(seen(Up), (v1::DeviceState::Up, String::new()));
        assert_eq!(seen(Unheard), (v1::DeviceState::Pending, String::new()));
        assert_eq!(seen(taken()), (v1::DeviceState::Failed, "the name is taken".into()));
        let (state, problem) = seen(Unattached);
        assert_eq!(state, v1::DeviceState::Pending);
        assert!(problem.contains("server s1 is not attached to d1"), "{problem}");
    }

    #[test]
    fn a_path_to_nobody_names_no_rail() {
        let path = internal::VhbaPath { director: "d2".into(), rail: 1, ..Default::default() };
        let written = write_path(path.clone());
        assert_eq!((written.director.as_str(), written.rail.as_str()), ("directors/d2", "B"));
        let written = write_path(internal::VhbaPath { director: String::new(), ..path });
        assert_eq!((written.director.as_str(), written.rail.as_str()), ("", ""));
    }
}
