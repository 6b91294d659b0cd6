//! The planned move of a profile between servers, as the leader drives it: when has the old server certainly let go?
//!
//! ```text
//!   ReleaseProfile committed            let go                       CompleteRelease committed
//!   ───────────────────────▶ Waiting ─────────────▶ Completing ───────────────────────▶ (gone)
//!                               │                     │    ▲
//!                               │                     └────┘ not committed within RETRY: proposed again
//!                               └─▶ WITHHOLD_AFTER: directors in the way get no new lease
//!
//!   let go  =  the old server's agent has acknowledged
//!           or every carrier is fenced, and the agent is away or had AGENT_GRACE to acknowledge
//!   fenced  =  the director runs on tables of this release or later, or its lease has certainly ended
//! ```
//!
//! Guarantees (rule 5):
//! * The new server is never activated while the old one may still send or be sent to: either the old server's agent has
//!   removed the devices, or no director carries for them.
//! * *Every* director counts, and not only the present homes. A home that was lost a moment ago still
//!   carries under its lease, if it is only cut off from us; its adapters have a new home since, but to the old
//!   server it still is the old one.
//! * A director that is heard of but does not apply the release does not block the move for ever: after [`WITHHOLD_AFTER`]
//!   the leader grants it no further lease ([`Releases::withholds_from`]), which then certainly ends.
//! * Late acknowledgements do nothing: they name a revision, and one from before this release is too low. When the profile
//!   changes while it is in release (another target), the release starts again: agents and directors say so again.
//!
//! A new leader starts with nothing and hears all of it again: [`Releases::sync`] from the state, revisions from the
//! directors, acknowledgements from the agents (they acknowledge on every assignment that asks them to release).

mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use twinrail_proto::domain::{BindingPhase, Name, Profile, Revision};

use crate::Moment;
use crate::lease::Grantor;
use machine::{Machine, World};

/// How long an attached agent is given to acknowledge, once all directors have stopped. It removes a few devices:
/// milliseconds. Then the move goes on without it; its devices lead nowhere any more.
pub const AGENT_GRACE: Duration = Duration::from_secs(1);

/// After how long a director that did not apply the release gets no lease any more. A healthy one needs milliseconds, one
/// with a stalled disk some tens of them.
pub const WITHHOLD_AFTER: Duration = Duration::from_secs(1);

/// How long a proposed completion may take before it is proposed again. A commit takes milliseconds; one that was lost
/// with an election would otherwise leave the profile without a server.
pub const RETRY: Duration = Duration::from_millis(200);

/// A profile in release, as the state shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Releasing {
    pub profile: Name,
    /// The server that lets go.
    pub from: Name,
    /// The revision of the profile.
    pub revision: Revision,
}

impl Releasing {
    /// None: the profile is not in release.
    pub fn of_profile(profile: &Profile, revision: Revision) -> Option<Self> {
        let binding = profile.binding.as_ref()?;
        let is_releasing = matches!(binding.phase, BindingPhase::Releasing { .. });
        is_releasing.then(|| Self { profile: profile.name.clone(), from: binding.server.clone(), revision })
    }
}

/// Where a profile in release goes; None: nowhere.
pub fn target(profile: &Profile) -> Option<&Name> {
    match &profile.binding.as_ref()?.phase {
        BindingPhase::Releasing { to } => to.as_ref(),
        BindingPhase::Active => None,
    }
}

/// Commit this: the server has let go of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    pub profile: Name,
    pub from: Name,
    /// The profile's revision that this was decided on.
    pub revision: Revision,
}

#[derive(Clone, Debug, Default, Hash)]
pub struct Releases {
    machines: BTreeMap<Name, Machine>,
    world: World,
}

impl Releases {
    /// What the state says now: the profiles in release, and all directors, whatever their role is (it may just have
    /// changed). Call it after every applied change that touches either. A director must not leave the state before its
    /// lease has certainly ended: one that is not in `carriers` is not waited for.
    pub fn sync(&mut self, releasing: Vec<Releasing>, carriers: BTreeSet<Name>, now: Moment) {
        let mut before = std::mem::take(&mut self.machines);
        self.world.applied.retain(|it, _| carriers.contains(it));
        self.world.carriers = carriers;
        for it in releasing {
            let known = before.remove(&it.profile).filter(|known| known.is_about(&it));
            let machine = known.unwrap_or_else(|| Machine::new(&it, now));
            self.machines.insert(it.profile, machine);
        }
    }

    /// A server's agent is attached, or is not any more.
    pub fn on_agent(&mut self, server: &Name, attached: bool) {
        if attached {
            self.world.attached.insert(server.clone());
        } else {
            self.world.attached.remove(server);
        }
    }

    /// A server's agent has removed the profile's devices, as an assignment with this profile revision asked it to. Only when
    /// [`Self::sync`] has shown the release; an acknowledgement that comes before is repeated on the agent's next assignment,
    /// or not needed, because the directors confirm.
    pub fn on_acknowledged(&mut self, profile: &Name, server: &Name, revision: Revision) {
        if let Some(machine) = self.machines.get_mut(profile) {
            machine.on_acknowledged(server, revision);
        }
    }

    /// A director's *datapath* runs on tables of this revision. Directors that are not in the state are ignored.
    pub fn on_applied(&mut self, director: &Name, revision: Revision) {
        if self.world.carriers.contains(director) {
            let applied = self.world.applied.entry(director.clone()).or_default();
            *applied = revision.max(*applied);
        }
    }

    /// The completions to propose now.
    pub fn tick(&mut self, leases: &Grantor, now: Moment) -> Vec<Complete> {
        let mut completions = Vec::new();
        for (profile, machine) in &mut self.machines {
            if machine.tick(&self.world, leases, now) {
                let (from, revision) = (machine.from.clone(), machine.revision);
                completions.push(Complete { profile: profile.clone(), from, revision });
            }
        }
        completions
    }

    /// When `tick` should be called next, if nothing is heard before.
    pub fn next_deadline(&self, leases: &Grantor) -> Option<Moment> {
        self.machines.values().filter_map(|it| it.deadline(&self.world, leases)).min()
    }

    /// Whether this director is to get no lease: it has been in the way of a release for too long.
    pub fn withholds_from(&self, director: &Name, now: Moment) -> bool {
        self.machines.values().any(|it| it.withholds_from(&self.world, director, now))
    }
}

#[cfg(test)]
mod tests;
