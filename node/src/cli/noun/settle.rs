//! Waiting until a profile is where it was sent: the API answers when the wish is recorded, people want to know when it is
//! so: when every adapter has a home, and the server has its device.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use twinrail_proto::grpc::v1;

use super::profile::{binding, get};
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::text::short;

/// Between two looks: a move takes some tens of milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where a profile shall be.
#[derive(Debug)]
pub enum Goal {
    /// On this server, with a home for every adapter and a device that is up.
    On(String),
    Nowhere,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    There,
    /// Not yet, and this is what is missing.
    Missing(String),
    /// Somebody else wants it elsewhere meanwhile.
    Overtaken(String),
}

/// Waits until the profile is where it shall be, no longer than a call may take.
pub async fn settle(session: &Session, name: &str, goal: &Goal) -> Result<v1::Profile, Failure> {
    let end = Instant::now() + session.timeout();
    loop {
        let profile = get(session, name, false).await?;
        match progress(&profile, goal) {
            Progress::There => return Ok(profile),
            Progress::Overtaken(problem) => return Err(Failure::NotInForce(problem)),
            Progress::Missing(what) if Instant::now() >= end => {
                let waited = humantime::format_duration(session.timeout());
                return Err(Failure::NotInForce(format!("the change is committed, but after {waited} {what}")));
            }
            Progress::Missing(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

fn progress(profile: &v1::Profile, goal: &Goal) -> Progress {
    let releasing = |it: &v1::Binding| it.state() == v1::BindingState::Releasing;
    match (&profile.binding, goal) {
        (None, Goal::Nowhere) => Progress::There,
        (Some(it), Goal::Nowhere) if releasing(it) && it.target.is_empty() => {
            Progress::Missing(format!("server {} has not let go yet", short(&it.server)))
        }
        (Some(it), Goal::On(server)) if releasing(it) && it.target == *server => {
            Progress::Missing(format!("server {} has not let go yet", short(&it.server)))
        }
        (Some(it), Goal::On(server)) if !releasing(it) && it.server == *server => {
            homes(profile).or_else(|| devices(profile, &short(server))).map_or(Progress::There, Progress::Missing)
        }
        _ => Progress::Overtaken(format!(
            "profile {} was sent elsewhere meanwhile: {}",
            short(&profile.name),
            binding(profile)
        )),
    }
}

/// What has no home yet, if something has none.
fn homes(profile: &v1::Profile) -> Option<String> {
    let vnics = profile.vnics.values().map(|it| (&it.name, &it.home));
    let vhbas = profile.vhbas.values().map(|it| (&it.name, &it.home));
    let homeless = |home: &Option<v1::Home>| home.as_ref().is_none_or(|home| home.director.is_empty());
    let (name, _) = vnics.chain(vhbas).find(|(_, home)| homeless(home))?;
    Some(format!("no director carries {} yet", short(name)))
}

/// What the server lacks, all of it. Nobody speaks of an adapter whose device is absent.
fn devices(profile: &v1::Profile, server: &str) -> Option<String> {
    let vnics = profile.vnics.values().map(|it| (&it.name, &it.device));
    let vhbas = profile.vhbas.values().map(|it| (&it.name, &it.device));
    let told = vnics.chain(vhbas).filter_map(|(name, device)| Some((name, device.as_ref()?)));
    let missing: BTreeSet<String> = told.filter_map(|(name, device)| lacks(server, &short(name), device)).collect();
    (!missing.is_empty()).then(|| missing.into_iter().collect::<Vec<_>>().join("; "))
}

fn lacks(server: &str, adapter: &str, device: &v1::Device) -> Option<String> {
    match device.state() {
        v1::DeviceState::Unspecified | v1::DeviceState::Up => None,
        v1::DeviceState::Failed => Some(format!("server {server}'s agent cannot make {adapter}: {}", device.problem)),
        v1::DeviceState::Pending if device.problem.is_empty() => {
            Some(format!("server {server}'s agent has not made {adapter}"))
        }
        v1::DeviceState::Pending => Some(device.problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(state: v1::DeviceState, problem: &str) -> Option<v1::Device> {
        Some(v1::Device { state: state.into(), problem: problem.into() })
    }

    fn profile(binding: Option<(&str, v1::BindingState, &str)>, home: &str) -> v1::Profile {
        let vnic = v1::Vnic {
            name: "profiles/web-1/vnics/eth0".into(),
            home: Some(v1::Home { director: home.into(), ..Default::default() }),
            ..Default::default()
        };
        let binding = binding.map(|(server, state, target)| v1::Binding {
            server: server.into(),
            state: state.into(),
            target: target.into(),
        });
        v1::Profile {
            name: "profiles/web-1".into(),
            vnics: [("eth0".into(), vnic)].into(),
            binding,
            ..Default::default()
        }
    }

    #[test]
    fn a_profile_is_there_when_it_is_bound_and_carried() {
        use v1::BindingState::{Active, Releasing};
        let to_s2 = Goal::On("servers/s2".into());
        let at = |binding, home, goal: &Goal| progress(&profile(binding, home), goal);
        assert_eq!(at(Some(("servers/s2", Active, "")), "directors/d1", &to_s2), Progress::There);
        assert_eq!(at(None, "", &Goal::Nowhere), Progress::There);
        for (binding, goal, part) in [
            (Some(("servers/s2", Active, "")), &to_s2, "no director carries web-1/eth0"),
            (Some(("servers/s1", Releasing, "servers/s2")), &to_s2, "s1 has not let go"),
            (Some(("servers/s1", Releasing, "")), &Goal::Nowhere, "s1 has not let go"),
        ] {
            let Progress::Missing(what) = at(binding, "", goal) else { panic!("{part}") };
            assert!(what.contains(part), "{what}");
        }
    }

    #[test]
    fn a_profile_is_not_there_before_its_devices_are() {
        use v1::DeviceState::{Failed, Pending, Up};
        let to_s2 = Goal::On("servers/s2".into());
        let mut profile = profile(Some(("servers/s2", v1::BindingState::Active, "")), "directors/d1");
        for (state, problem, missing) in [
            (Pending, "", "server s2's agent has not made web-1/eth0"),
            (Pending, "the agent of s2 is not attached to d1", "the agent of s2 is not attached to d1"),
            (Failed, "the name is taken", "server s2's agent cannot make web-1/eth0: the name is taken"),
        ] {
            profile.vnics.get_mut("eth0").unwrap().device = device(state, problem);
            assert_eq!(progress(&profile, &to_s2), Progress::Missing(missing.to_owned()));
        }
        profile.vnics.get_mut("eth0").unwrap().device = device(Up, "");
        assert_eq!(progress(&profile, &to_s2), Progress::There);
    }

    #[test]
    fn all_that_is_missing_is_told_once() {
        use v1::DeviceState::{Failed, Pending};
        let mut profile = profile(Some(("servers/s2", v1::BindingState::Active, "")), "directors/d1");
        let eth0 = v1::Vnic { device: device(Pending, "not attached"), ..profile.vnics["eth0"].clone() };
        let name = "profiles/web-1/vnics/lo".to_owned();
        let lo = v1::Vnic { name, device: device(Failed, "no such luck"), ..eth0.clone() };
        profile.vnics = [("eth0".into(), eth0.clone()), ("eth1".into(), eth0), ("lo".into(), lo)].into();
        let missing = "not attached; server s2's agent cannot make web-1/lo: no such luck";
        assert_eq!(devices(&profile, "s2").as_deref(), Some(missing));
    }

    #[test]
    fn who_is_overtaken_is_told_and_does_not_wait() {
        use v1::BindingState::{Active, Releasing};
        let to_s2 = Goal::On("servers/s2".into());
        for (binding, goal) in [
            (None, &to_s2),
            (Some(("servers/s3", Active, "")), &to_s2),
            (Some(("servers/s1", Releasing, "servers/s3")), &to_s2),
            (Some(("servers/s1", Releasing, "")), &to_s2),
            (Some(("servers/s1", Active, "")), &Goal::Nowhere),
            (Some(("servers/s1", Releasing, "servers/s2")), &Goal::Nowhere),
        ] {
            assert!(matches!(progress(&profile(binding, ""), goal), Progress::Overtaken(_)), "{binding:?}");
        }
    }
}
