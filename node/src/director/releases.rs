//! Planned moves of profiles between servers: `failover::release` holds the rule (the old server has certainly let go);
//! here it is fed with what the state, the agents and the directors say, and what it decides is committed.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use twinrail_failover::Moment;
use twinrail_failover::release::{self, Complete, Releases, Releasing};
use twinrail_proto::domain::{DirectorRole, Name};
use twinrail_raft_store::state::{Operation, State};

use super::core::{Core, SharedCore};
use super::leader::NotLeader;
use crate::clock;

/// What the leader knows of releases, made anew in each term.
#[derive(Default)]
pub struct ReleaseBook {
    inner: Mutex<(u64, Releases)>,
}

impl ReleaseBook {
    /// Whether this director is to get no lease because a release has waited for it for too long.
    pub fn withholds_from(&self, director: &Name) -> bool {
        self.inner.lock().1.withholds_from(director, clock::now())
    }
}

/// Proposes what is complete. Says when to look again.
pub async fn step(core: &SharedCore) -> Result<Option<Moment>, NotLeader> {
    let (completions, deadline) = decide(core);
    for Complete { profile, from, revision } in completions {
        let target = core.state.read().profiles().get(&profile).and_then(|it| release::target(&it.value).cloned());
        let homes = target.map(|server| core.homes_on(&profile, &server)).unwrap_or_default();
        let operation = Operation::CompleteRelease { profile: profile.clone(), from, homes, revision };
        match core.propose(core.own_command(operation)).await? {
            Ok(_) => tracing::info!(%profile, "released"),
            Err(error) => tracing::info!(%profile, %error, "the end of a release was refused"),
        }
    }
    Ok(deadline)
}

fn decide(core: &Core) -> (Vec<Complete>, Option<Moment>) {
    let now = clock::now();
    let term = core.term();
    let (releasing, carriers) = {
        let state = core.state.read();
        (releasing(&state), carriers(&state))
    };
    let mut book = core.releases.inner.lock();
    if book.0 != term {
        *book = (term, Releases::default());
    }
    let releases = &mut book.1;
    let servers: BTreeSet<Name> = releasing.iter().map(|it| it.from.clone()).collect();
    let directors: Vec<Name> = carriers.iter().cloned().collect();
    releases.sync(releasing.clone(), carriers, now);
    for server in &servers {
        releases.on_agent(server, core.agents.attached(server));
    }
    for it in &releasing {
        if core.agents.released(&it.from, &it.profile, it.revision) {
            releases.on_acknowledged(&it.profile, &it.from, it.revision);
        }
    }
    for director in &directors {
        if let Some(revision) = core.leases.enforced_by(director) {
            releases.on_applied(director, revision);
        }
    }
    core.leases.with_grantor(term, |grantor| (releases.tick(grantor, now), releases.next_deadline(grantor)))
}

fn releasing(state: &State) -> Vec<Releasing> {
    state.profiles().values().filter_map(|it| Releasing::of_profile(&it.value, it.modified)).collect()
}

fn carriers(state: &State) -> BTreeSet<Name> {
    let carriers = state.directors().values().filter(|it| it.value.role != DirectorRole::Witness);
    carriers.map(|it| it.value.name.clone()).collect()
}
