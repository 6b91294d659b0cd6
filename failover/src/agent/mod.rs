//! The server agent's decisions: which adapters this server has, and which home each of them follows.
//!
//! ```text
//!              named              a newer route, told by another than its home
//!   (absent) ────────▶ Following ─────────────────────────────────────────────▶ Pending
//!       ▲                │  ▲ ▲                                                    │
//!       │                │  │ │   the new home says that it carries,                │
//!       │                │  │ └── or the old home has no path up,                ◀──┤
//!       │                │  └──── or FOLLOW_GRACE has passed                       │
//!       └────────────────┴─────────────────────────────────────────────────────────┘
//!           released, or named no more
//! ```
//!
//! Every director pushes the server's assignment, each when *it* has applied a change; so the same news comes several times,
//! and from the new home and the old one in any order. Switching too early sends frames to a home that refuses them; too
//! late, to one that has stopped. The new home's own word is the right moment; the grace bounds the wait for it.
//!
//! Guarantees:
//! * An assignment older than the newest accepted one is refused, an epoch older than the newest seen of its adapter too: also
//!   after a restart, from [`Memory`].
//! * A release is acknowledged after its devices were removed and that was written down ([`Effect::Persist`] comes between), and
//!   again on every assignment that still asks for it: an acknowledgement may be lost.
//! * Traffic never waits for the disk: [`Effect::Persist`] comes after every switch.
//! * An adapter that gets its first home, or loses its last one, does so at once: there is nothing to wait for.

mod adapter;
mod effects;
mod paths;

use std::collections::BTreeMap;
use std::time::Duration;

use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail, Revision};

use crate::Moment;
use adapter::{Followed, Told};
use effects::Effects;
use paths::Paths;

/// How long to wait for the new home's own word after another director told of it. Directors apply a commit within a few
/// milliseconds of each other. Frames wait in their device meanwhile; a home that is slow refuses what comes too early.
pub const FOLLOW_GRACE: Duration = Duration::from_millis(45);

/// What one director says that this server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The director that says so.
    pub from: Name,
    /// What it had applied when it did.
    pub revision: Revision,
    pub profiles: Vec<AssignedProfile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedProfile {
    pub profile: Name,
    /// The profile's own revision, for the acknowledgement.
    pub revision: Revision,
    pub phase: Phase,
    pub adapters: Vec<AssignedAdapter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Active,
    /// Remove its devices and say so.
    Releasing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedAdapter {
    pub adapter: AdapterId,
    pub route: Route,
    pub successors: Vec<Name>,
    /// The sender is this home, and its datapath carries the adapter under this epoch now.
    pub carrying: bool,
}

/// Where an adapter's traffic goes. No home: nowhere, for now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    pub home: Option<Name>,
    pub epoch: Epoch,
}

/// What must survive a restart of the agent. As large as the assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    pub revision: Revision,
    /// The highest epoch seen of each adapter of the last assignment.
    pub epochs: BTreeMap<AdapterId, Epoch>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Switch {
        adapter: AdapterId,
        route: Route,
    },
    Remove {
        adapter: AdapterId,
    },
    Create {
        adapter: AdapterId,
        route: Route,
    },
    /// Write [`Agent::memory`] to disk. Only an acknowledgement that comes after it has to wait for that.
    Persist,
    AcknowledgeRelease {
        profile: Name,
        revision: Revision,
    },
    /// Something came that must not be followed. To be counted and logged, nothing else.
    Refuse(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Common: directors apply at different speeds.
    #[error("director {from} pushed an assignment of revision {revision}; {newest} was accepted before")]
    OldRevision { from: Name, revision: Revision, newest: Revision },
    /// Never, unless the cluster's state was replaced by an older one.
    #[error("director {from} names epoch {epoch} for adapter {adapter}; {newest} was seen before")]
    OldEpoch { from: Name, adapter: AdapterId, epoch: Epoch, newest: Epoch },
    /// Never, unless two directors disagree about the committed state.
    #[error("director {from} names another home for adapter {adapter} in epoch {epoch} than the one known")]
    Conflict { from: Name, adapter: AdapterId, epoch: Epoch },
}

#[derive(Clone, Debug, Hash)]
pub struct Agent {
    memory: Memory,
    adapters: BTreeMap<AdapterId, Followed>,
    paths: Paths,
}

impl Agent {
    pub fn new(memory: Memory) -> Self {
        Self { memory, adapters: BTreeMap::new(), paths: Paths::default() }
    }

    /// A director pushed an assignment. From an old one only its word about what it carries counts.
    pub fn on_assignment(&mut self, assignment: &Assignment, now: Moment) -> Vec<Effect> {
        let mut effects = Effects::default();
        let Assignment { from, revision, profiles } = assignment;
        if *revision < self.memory.revision {
            let (revision, newest) = (*revision, self.memory.revision);
            effects.refuse(Refusal::OldRevision { from: from.clone(), revision, newest });
        } else {
            self.accept(from, *revision, profiles, now, &mut effects);
        }
        let carried = profiles.iter().flat_map(|it| &it.adapters).filter(|it| it.carrying);
        for it in carried.filter(|it| it.route.home.as_ref() == Some(from)) {
            if let Some(followed) = self.adapters.get_mut(&it.adapter) {
                effects.switch(it.adapter, followed.on_carrying(&it.route));
            }
        }
        effects.in_order()
    }

    /// A path between this server and a director changed.
    pub fn on_path(&mut self, director: &Name, rail: Rail, up: bool, now: Moment) -> Vec<Effect> {
        self.paths.set(director, rail, up);
        self.tick(now)
    }

    /// Switches what has waited long enough, or for a home that cannot be reached any more.
    pub fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let mut effects = Effects::default();
        for (&adapter, followed) in &mut self.adapters {
            effects.switch(adapter, followed.on_time(&self.paths, now));
        }
        effects.in_order()
    }

    /// When `tick` should be called next, if nothing comes before.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.adapters.values().filter_map(Followed::deadline).min()
    }

    /// The adapters that have a device here, with the route that each follows: the whole table, for the datapath.
    pub fn routes(&self) -> impl Iterator<Item = (AdapterId, &Route)> {
        self.adapters.iter().map(|(&adapter, followed)| (adapter, followed.route()))
    }

    /// The same with the newest route that was told of each, whether it is followed yet or not: for what may go to a new
    /// home at once, since that refuses whatever comes too early.
    pub fn newest_routes(&self) -> impl Iterator<Item = (AdapterId, &Route)> {
        self.adapters.iter().map(|(&adapter, followed)| (adapter, followed.newest()))
    }

    /// The adapters whose home is out of date, and whose next one has not spoken yet: what they send now would be refused by both,
    /// so it should wait in their devices.
    pub fn waiting(&self) -> impl Iterator<Item = AdapterId> {
        self.adapters.iter().filter(|(_, followed)| followed.deadline().is_some()).map(|(&adapter, _)| adapter)
    }

    /// Who may be switched to when an adapter's home dies, best first, as committed.
    pub fn successors(&self, adapter: AdapterId) -> &[Name] {
        self.adapters.get(&adapter).map_or(&[], Followed::successors)
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn accept(
        &mut self,
        from: &Name,
        revision: Revision,
        profiles: &[AssignedProfile],
        now: Moment,
        effects: &mut Effects,
    ) {
        let active = profiles.iter().filter(|it| it.phase == Phase::Active);
        let wanted: BTreeMap<AdapterId, &AssignedAdapter> =
            active.flat_map(|it| &it.adapters).map(|it| (it.adapter, it)).collect();
        self.remove_all_but(&wanted, effects);
        for it in wanted.into_values() {
            self.follow(from, it, now, effects);
        }
        let changed = self.remember(revision, profiles);
        let releasing = profiles.iter().filter(|it| it.phase == Phase::Releasing);
        for it in releasing.clone() {
            effects.acknowledge(it.profile.clone(), it.revision);
        }
        if changed || releasing.count() > 0 {
            effects.persist();
        }
    }

    fn remove_all_but(&mut self, wanted: &BTreeMap<AdapterId, &AssignedAdapter>, effects: &mut Effects) {
        let gone: Vec<AdapterId> = self.adapters.keys().filter(|it| !wanted.contains_key(it)).copied().collect();
        for adapter in gone {
            self.adapters.remove(&adapter);
            effects.remove(adapter);
        }
    }

    fn follow(&mut self, from: &Name, told: &AssignedAdapter, now: Moment, effects: &mut Effects) {
        let AssignedAdapter { adapter, route, successors, carrying: _ } = told;
        let newest = self.memory.epochs.get(adapter).copied().unwrap_or_default();
        if route.epoch < newest {
            let (adapter, epoch) = (*adapter, route.epoch);
            return effects.refuse(Refusal::OldEpoch { from: from.clone(), adapter, epoch, newest });
        }
        let Some(followed) = self.adapters.get_mut(adapter) else {
            self.adapters.insert(*adapter, Followed::new(route.clone(), successors.clone()));
            return effects.create(*adapter, route.clone());
        };
        match followed.on_told(route, successors, &self.paths, now) {
            Told::Known => {}
            Told::Switch(route) => effects.switch(*adapter, Some(route)),
            Told::Conflict => {
                effects.refuse(Refusal::Conflict { from: from.clone(), adapter: *adapter, epoch: route.epoch });
            }
        }
    }

    /// Epochs never go back, and adapters that are named no more are forgotten: from then on the revision guards them.
    /// Returns whether there is something to write: a mere new revision is not worth it.
    fn remember(&mut self, revision: Revision, profiles: &[AssignedProfile]) -> bool {
        let named = profiles.iter().flat_map(|it| &it.adapters);
        let before = std::mem::take(&mut self.memory.epochs);
        let newest =
            |it: &AssignedAdapter| before.get(&it.adapter).map_or(it.route.epoch, |&old| old.max(it.route.epoch));
        self.memory.epochs = named.map(|it| (it.adapter, newest(it))).collect();
        self.memory.revision = revision;
        self.memory.epochs != before
    }
}

#[cfg(test)]
mod tests;
