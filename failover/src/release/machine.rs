use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{Name, Revision};

use super::{AGENT_GRACE, RETRY, Releasing, WITHHOLD_AFTER};
use crate::Moment;
use crate::lease::Grantor;

/// What all releases depend on.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct World {
    /// Every director of the cluster: each may have been the home of anything a moment ago.
    pub carriers: BTreeSet<Name>,
    /// The revision that each carrier's datapath is known to have reached.
    pub applied: BTreeMap<Name, Revision>,
    /// Servers whose agent is attached.
    pub attached: BTreeSet<Name>,
}

/// One profile in release.
#[derive(Clone, Debug, Hash)]
pub(super) struct Machine {
    pub from: Name,
    /// Tables and acknowledgements of this revision of the profile, or a later one, know of the release.
    pub revision: Revision,
    since: Moment,
    acknowledged: bool,
    /// Directors whose lease was seen to have ended since. That cannot be undone: a director that comes back must apply
    /// everything committed before it may carry again.
    ended: BTreeSet<Name>,
    proposed: Option<Moment>,
}

impl Machine {
    pub fn new(releasing: &Releasing, now: Moment) -> Self {
        Self {
            from: releasing.from.clone(),
            revision: releasing.revision,
            since: now,
            acknowledged: false,
            ended: BTreeSet::new(),
            proposed: None,
        }
    }

    /// Anything else is another release: the profile may have been elsewhere and come back since, in changes that were
    /// applied together, so that nothing heard about this one says anything about that one.
    pub fn is_about(&self, releasing: &Releasing) -> bool {
        self.from == releasing.from && self.revision == releasing.revision
    }

    pub fn on_acknowledged(&mut self, server: &Name, revision: Revision) {
        self.acknowledged |= *server == self.from && revision >= self.revision;
    }

    /// Whether the completion is to be proposed now.
    pub fn tick(&mut self, world: &World, leases: &Grantor, now: Moment) -> bool {
        let unfenced: Vec<Name> = self.unfenced(world).cloned().collect();
        self.ended.extend(unfenced.into_iter().filter(|it| leases.certainly_ended(it, now).is_ok()));
        let due = self.proposed.is_none_or(|at| now >= at + RETRY) && self.has_let_go(world, now);
        if due {
            self.proposed = Some(now);
        }
        due
    }

    pub fn deadline(&self, world: &World, leases: &Grantor) -> Option<Moment> {
        if let Some(proposed) = self.proposed {
            return Some(proposed + RETRY);
        }
        if self.acknowledged {
            return Some(self.since);
        }
        let fenced = self.unfenced(world).map(|it| leases.ends_at(it)).max();
        Some(fenced.unwrap_or(self.since).max(self.agent_deadline(world)))
    }

    pub fn withholds_from(&self, world: &World, director: &Name, now: Moment) -> bool {
        let in_the_way = !self.acknowledged && self.unfenced(world).any(|it| it == director);
        in_the_way && now >= self.since + WITHHOLD_AFTER
    }

    fn has_let_go(&self, world: &World, now: Moment) -> bool {
        let fenced = || self.unfenced(world).next().is_none();
        self.acknowledged || (fenced() && now >= self.agent_deadline(world))
    }

    fn agent_deadline(&self, world: &World) -> Moment {
        if world.attached.contains(&self.from) { self.since + AGENT_GRACE } else { self.since }
    }

    /// The carriers that may still carry for the old server, as far as is known.
    fn unfenced<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a Name> {
        let applied = |it: &Name| world.applied.get(it).is_some_and(|&revision| revision >= self.revision);
        world.carriers.iter().filter(move |it| !applied(it) && !self.ended.contains(*it))
    }
}
