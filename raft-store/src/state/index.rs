//! What is derived from the record, to answer in logarithmic time. Never stored: built again when a state is read back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use twinrail_proto::domain::{AdapterId, BindingPhase, Name, Profile, Revision};

use super::RequestId;
use super::identity::Ledger;
use super::record::Record;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// Adapter → its profile.
    pub adapters: BTreeMap<AdapterId, Name>,
    /// Server → the profiles bound to it and those on their way to it: who takes room there.
    pub occupants: BTreeMap<Name, BTreeSet<Name>>,
    pub macs: Ledger,
    pub wwns: Ledger,
    pub answers: HashMap<RequestId, Revision>,
}

impl Index {
    pub fn build(record: &Record) -> Self {
        let mut index = Self::default();
        record.profiles.values().for_each(|profile| index.learn(&profile.value));
        record.quarantined_macs.iter().for_each(|(&mac, &until)| index.macs.rest(mac, until));
        record.quarantined_wwns.iter().for_each(|(&wwn, &until)| index.wwns.rest(wwn, until));
        let answers = record.answers.iter().map(|(&revision, answer)| (answer.request_id.clone(), revision));
        index.answers = answers.collect();
        index
    }

    pub fn learn(&mut self, profile: &Profile) {
        for server in occupied(profile) {
            self.occupants.entry(server.clone()).or_default().insert(profile.name.clone());
        }
        for vnic in profile.vnics.values() {
            self.adapters.insert(vnic.id, profile.name.clone());
            self.macs.learn(vnic.mac, vnic.id);
        }
        for vhba in profile.vhbas.values() {
            self.adapters.insert(vhba.id, profile.name.clone());
            self.wwns.learn(vhba.wwpn, vhba.id);
            self.wwns.learn(vhba.wwnn, vhba.id);
        }
    }

    pub fn forget(&mut self, profile: &Profile) {
        for server in occupied(profile) {
            if let Some(occupants) = self.occupants.get_mut(server) {
                occupants.remove(&profile.name);
                if occupants.is_empty() {
                    self.occupants.remove(server);
                }
            }
        }
        for vnic in profile.vnics.values() {
            self.adapters.remove(&vnic.id);
            self.macs.forget(vnic.mac);
        }
        for vhba in profile.vhbas.values() {
            self.adapters.remove(&vhba.id);
            self.wwns.forget(vhba.wwpn);
            self.wwns.forget(vhba.wwnn);
        }
    }
}

/// Whether the index says the same of both: true for most changes, as those of homes.
pub(super) fn indexed_alike(before: &Profile, after: &Profile) -> bool {
    let vnics = |profile: &Profile| profile.vnics.values().map(|vnic| (vnic.id, vnic.mac)).collect::<Vec<_>>();
    let vhbas =
        |profile: &Profile| profile.vhbas.values().map(|vhba| (vhba.id, vhba.wwpn, vhba.wwnn)).collect::<Vec<_>>();
    occupied(before).eq(occupied(after)) && vnics(before) == vnics(after) && vhbas(before) == vhbas(after)
}

/// The servers where a profile takes room: its own, and the one that it is on its way to.
pub(super) fn occupied(profile: &Profile) -> impl Iterator<Item = &Name> {
    let binding = profile.binding.as_ref();
    let target = binding.and_then(|binding| match &binding.phase {
        BindingPhase::Active => None,
        BindingPhase::Releasing { to } => to.as_ref(),
    });
    binding.map(|binding| &binding.server).into_iter().chain(target)
}
