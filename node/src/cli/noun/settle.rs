//! Waiting until a profile is where it was sent: the API answers when the wish is recorded, people want to know when it is so.

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
    /// On this server, with a home for every adapter.
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
            Progress::Overtaken(problem) => return Err(Failure::NotSettled(problem)),
            Progress::Missing(what) if Instant::now() >= end => {
                let waited = humantime::format_duration(session.timeout());
                return Err(Failure::NotSettled(format!("the change is recorded, but after {waited} {what}")));
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
        (Some(it), Goal::On(server)) if !releasing(it) && it.server == *server => homes(profile),
        _ => Progress::Overtaken(format!(
            "profile {} was sent elsewhere meanwhile: {}",
            short(&profile.name),
            binding(profile)
        )),
    }
}

fn homes(profile: &v1::Profile) -> Progress {
    let vnics = profile.vnics.values().map(|it| (&it.name, &it.home));
    let vhbas = profile.vhbas.values().map(|it| (&it.name, &it.home));
    let homeless = |home: &Option<v1::Home>| home.as_ref().is_none_or(|home| home.director.is_empty());
    match vnics.chain(vhbas).find(|(_, home)| homeless(home)) {
        None => Progress::There,
        Some((name, _)) => Progress::Missing(format!("no director carries {} yet", short(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
