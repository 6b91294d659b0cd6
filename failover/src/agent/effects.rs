use twinrail_proto::domain::{AdapterId, Name, Revision};

use super::{Effect, Refusal, Route};

/// Collects effects, and gives them out in the order in which they are to be done: traffic first, then devices (the old
/// ones before the new ones, which may have the same name), then the disk, then what relies on it.
#[derive(Default)]
pub(super) struct Effects {
    traffic: Vec<Effect>,
    removals: Vec<Effect>,
    creations: Vec<Effect>,
    persist: bool,
    after: Vec<Effect>,
}

impl Effects {
    pub fn switch(&mut self, adapter: AdapterId, route: Option<Route>) {
        self.traffic.extend(route.map(|route| Effect::Switch { adapter, route }));
    }

    pub fn remove(&mut self, adapter: AdapterId) {
        self.removals.push(Effect::Remove { adapter });
    }

    pub fn create(&mut self, adapter: AdapterId, route: Route) {
        self.creations.push(Effect::Create { adapter, route });
    }

    pub fn persist(&mut self) {
        self.persist = true;
    }

    pub fn acknowledge(&mut self, profile: Name, revision: Revision) {
        self.after.push(Effect::AcknowledgeRelease { profile, revision });
    }

    pub fn refuse(&mut self, refusal: Refusal) {
        self.after.push(Effect::Refuse(refusal));
    }

    pub fn in_order(self) -> Vec<Effect> {
        let Self { traffic, removals, creations, persist, after } = self;
        let persist = persist.then_some(Effect::Persist);
        traffic.into_iter().chain(removals).chain(creations).chain(persist).chain(after).collect()
    }
}
