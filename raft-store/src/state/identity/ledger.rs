//! The derived index over identities of one kind.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{AdapterId, UnixMillis};

use super::{Identity, Runs};

#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::state) struct Ledger {
    pub holders: BTreeMap<u64, AdapterId>,
    pub used: Runs,
    pub resting: Runs,
    /// When each resting identity returns, soonest first.
    pub returns: BTreeSet<(UnixMillis, u64)>,
}

impl Ledger {
    pub fn learn(&mut self, identity: impl Identity, holder: AdapterId) {
        self.holders.insert(identity.number(), holder);
        self.used.insert(identity.number());
    }

    pub fn forget(&mut self, identity: impl Identity) {
        self.holders.remove(&identity.number());
        self.used.remove(identity.number());
    }

    pub fn rest(&mut self, identity: impl Identity, until: UnixMillis) {
        self.resting.insert(identity.number());
        self.returns.insert((until, identity.number()));
    }

    pub fn wake(&mut self, identity: impl Identity, until: UnixMillis) {
        self.resting.remove(identity.number());
        self.returns.remove(&(until, identity.number()));
    }

    /// What has rested long enough. It stays listed until an accepted command passes by.
    pub fn returned(&self, now: UnixMillis) -> impl Iterator<Item = u64> {
        self.returns.range(..=(now, u64::MAX)).map(|&(_, number)| number)
    }
}
