//! A command's changes while they are worked out, on top of a state that stays as it is.
//!
//! ```text
//!   state ──▶ Draft ──operation──▶ Draft ──finish──▶ Changes ──commit──▶ state
//!                        │                   │          └─ or shown, for validate_only
//!                        └── rejection ◀─────┘
//! ```
//!
//! An operation reads and edits through the draft: what it edits is copied first, one resource at a time. So a rejection, at
//! whatever point, changes nothing, and a preview is the same code as the real thing.

mod adapters;
mod finish;
mod servers;

use std::collections::BTreeSet;

use twinrail_proto::domain::{
    AdapterId, DirectorId, MacAddress, Name, Profile, ResourceKey, Revision, UnixMillis, Wwn,
};

use super::State;
use super::identity::Drawing;
use super::index::Index;
use super::kept::{Kept, Overlay, Overlays};
use super::limits::MAX_DIRECTOR_IDS;
use super::record::{Record, Versioned};
use super::rejection::Rejection;

pub(super) use adapters::{Taker, adapter_path};
pub(super) use finish::Changes;

#[derive(Debug)]
pub(super) struct Draft<'a> {
    base: &'a State,
    pub revision: Revision,
    pub now: UnixMillis,
    overlays: Overlays,
    macs: Drawing<'a, MacAddress>,
    wwns: Drawing<'a, Wwn>,
    last_adapter: AdapterId,
    /// A name that the cluster gets with this command.
    cluster: Option<Name>,
    retired_director: Option<DirectorId>,
}

impl<'a> Draft<'a> {
    pub fn new(base: &'a State, revision: Revision, at: UnixMillis) -> Self {
        let State { record, index } = base;
        let now = at.max(record.last_at);
        Self {
            base,
            revision,
            now,
            overlays: Overlays::default(),
            macs: Drawing::new(&index.macs, &record.quarantined_macs, now),
            wwns: Drawing::new(&index.wwns, &record.quarantined_wwns, now),
            last_adapter: record.last_adapter,
            cluster: None,
            retired_director: None,
        }
    }

    /// The record as it was before the command.
    pub fn record(&self) -> &'a Record {
        &self.base.record
    }

    /// The index as it was before the command.
    pub fn index(&self) -> &'a Index {
        &self.base.index
    }

    pub fn get<T: Kept>(&self, name: &Name) -> Option<&T> {
        match T::overlay(&self.overlays).get(name) {
            Some(changed) => changed.as_ref(),
            None => T::table(self.record()).get(name).map(|versioned| &versioned.value),
        }
    }

    /// What the request is about.
    pub fn require<T: Kept>(&self, name: &Name) -> Result<&T, Rejection> {
        self.get(name).ok_or_else(|| Rejection::NotFound { key: T::key(name), field: None })
    }

    /// What a field of the request refers to.
    pub fn refer<T: Kept>(&self, name: &Name, field: impl FnOnce() -> String) -> Result<&T, Rejection> {
        self.get(name).ok_or_else(|| Rejection::NotFound { key: T::key(name), field: Some(field()) })
    }

    /// All of a kind, as the draft has them.
    pub fn all<T: Kept>(&self) -> impl Iterator<Item = &T> {
        let (table, overlay) = (T::table(self.record()), T::overlay(&self.overlays));
        let kept = table.iter().filter(|(name, _)| !overlay.contains_key(*name)).map(|(_, versioned)| &versioned.value);
        kept.chain(overlay.values().flatten())
    }

    pub fn count<T: Kept>(&self) -> usize {
        let table = T::table(self.record());
        let overlay = T::overlay(&self.overlays);
        let added = overlay.iter().filter(|(name, value)| value.is_some() && !table.contains_key(*name)).count();
        let removed = overlay.iter().filter(|(name, value)| value.is_none() && table.contains_key(*name)).count();
        table.len() + added - removed
    }

    pub fn create<T: Kept>(&mut self, value: T) -> Result<(), Rejection> {
        if self.get::<T>(value.name()).is_some() {
            return Err(Rejection::AlreadyExists { key: T::key(value.name()) });
        }
        if self.count::<T>() >= T::LIMIT {
            let what = T::KIND.collection().to_owned();
            return Err(Rejection::LimitReached { field: None, what, limit: T::LIMIT });
        }
        self.put(value);
        Ok(())
    }

    pub fn put<T: Kept>(&mut self, value: T) {
        self.overlay_mut().insert(value.name().clone(), Some(value));
    }

    pub fn remove<T: Kept>(&mut self, name: &Name) {
        self.overlay_mut::<T>().insert(name.clone(), None);
    }

    /// A copy to change, made when it is first asked for.
    pub fn edit<T: Kept>(&mut self, name: &Name) -> Result<&mut T, Rejection> {
        let not_found = || Rejection::NotFound { key: T::key(name), field: None };
        let before = T::table(self.record()).get(name);
        let overlay = self.overlay_mut::<T>();
        if !overlay.contains_key(name) {
            let copy = before.map(|versioned| versioned.value.clone()).ok_or_else(not_found)?;
            overlay.insert(name.clone(), Some(copy));
        }
        overlay.get_mut(name).and_then(Option::as_mut).ok_or_else(not_found)
    }

    /// Checks an etag, and that there is such a resource.
    pub fn check_etag<T: Kept>(&self, name: &Name, if_match: Option<Revision>) -> Result<(), Rejection> {
        let key = || T::key(name);
        let Versioned { modified, .. } =
            T::table(self.record()).get(name).ok_or_else(|| Rejection::NotFound { key: key(), field: None })?;
        match if_match {
            Some(seen) if seen != *modified => Err(Rejection::StaleEtag { key: key(), seen, present: *modified }),
            _ => Ok(()),
        }
    }

    fn overlay_mut<T: Kept>(&mut self) -> &mut Overlay<T> {
        T::overlay_mut(&mut self.overlays)
    }

    pub fn name_cluster(&mut self, cluster: Name) {
        self.cluster = Some(cluster);
    }

    /// Director ids that may not be given again.
    pub fn retired_directors(&self) -> &'a BTreeSet<DirectorId> {
        &self.record().retired_directors
    }

    pub fn retire_director(&mut self, id: DirectorId) -> Result<(), Rejection> {
        if self.retired_directors().len() >= MAX_DIRECTOR_IDS {
            let what = "ids of removed directors".to_owned();
            return Err(Rejection::LimitReached { field: None, what, limit: MAX_DIRECTOR_IDS });
        }
        self.retired_director = Some(id);
        Ok(())
    }

    /// Names of the profiles for which this is so, to edit them.
    pub fn profiles_where(&self, wanted: impl Fn(&Profile) -> bool) -> Vec<Name> {
        self.all::<Profile>().filter(|profile| wanted(profile)).map(|profile| profile.name.clone()).collect()
    }

    /// Refuses to remove what others refer to, and names the first.
    pub fn check_unreferenced(
        &self,
        key: ResourceKey,
        mut users: impl Iterator<Item = String>,
    ) -> Result<(), Rejection> {
        match users.next() {
            None => Ok(()),
            Some(by) => Err(Rejection::Referenced { key, by, others: users.count() }),
        }
    }
}
