//! From a draft to what is committed or shown: what really changed, and what follows from it.

use std::collections::BTreeMap;

use twinrail_proto::domain::{
    AdapterId, Director, DirectorId, FailoverReceipt, Lan, MacAddress, MacSource, Name, Pool, Profile, QosPolicy,
    Resource, Revision, San, Server, Template, UnixMillis, Wwn, WwnSource,
};

use super::Draft;
use super::adapters::seconds_until;
use crate::state::apply::Audience;
use crate::state::effects::effects_of;
use crate::state::identity::Ledger;
use crate::state::kept::{Kept, Overlays};
use crate::state::limits::{FIXED_QUARANTINE_SECONDS, MAX_QUARANTINED};
use crate::state::record::Versioned;
use crate::state::{Change, Effect, Event, Rejection};

/// A command's changes, worked out and checked.
#[derive(Debug)]
pub(in crate::state) struct Changes {
    pub revision: Revision,
    pub at: UnixMillis,
    pub overlays: Overlays,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub released: Released,
    pub last_adapter: AdapterId,
    pub cluster: Option<Name>,
    pub retired_director: Option<DirectorId>,
}

/// Identities that go into quarantine, and until when.
#[derive(Debug, Default)]
pub(in crate::state) struct Released {
    pub macs: BTreeMap<MacAddress, UnixMillis>,
    pub wwns: BTreeMap<Wwn, UnixMillis>,
}

impl Draft<'_> {
    pub fn finish(mut self, audience: Audience) -> Result<Changes, Rejection> {
        self.check_servers()?;
        let released = self.released();
        self.check_quarantine(&self.index().macs, released.macs.len())?;
        self.check_quarantine(&self.index().wwns, released.wwns.len())?;
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        self.report::<Director>(audience, &mut events, &mut effects);
        self.report::<Server>(audience, &mut events, &mut effects);
        self.report::<Lan>(audience, &mut events, &mut effects);
        self.report::<San>(audience, &mut events, &mut effects);
        self.report::<Pool>(audience, &mut events, &mut effects);
        self.report::<QosPolicy>(audience, &mut events, &mut effects);
        self.report::<Template>(audience, &mut events, &mut effects);
        self.report::<Profile>(audience, &mut events, &mut effects);
        self.report::<FailoverReceipt>(audience, &mut events, &mut effects);
        Ok(Changes {
            revision: self.revision,
            at: self.now,
            overlays: self.overlays,
            events,
            effects,
            released,
            last_adapter: self.last_adapter,
            cluster: self.cluster,
            retired_director: self.retired_director,
        })
    }

    /// Drops the copies that were not changed after all, and tells of the others.
    fn report<T: Kept>(&mut self, audience: Audience, events: &mut Vec<Event>, effects: &mut Vec<Effect>) {
        let table = T::table(self.record());
        let (revision, now) = (self.revision, self.now);
        T::overlay_mut(&mut self.overlays).retain(|name, after| {
            let before = table.get(name);
            if before.map(|before| &before.value) == after.as_ref() {
                return false;
            }
            if audience == Audience::People {
                effects.extend(effects_of(before.map(|before| &before.value), after.as_ref()));
            }
            events.push(event(name, before, after.as_ref(), revision, now));
            true
        });
    }

    /// What adapters had before and have no more. That it is rested follows from nothing but this comparison.
    fn released(&self) -> Released {
        let mut released = Released::default();
        for (name, after) in Profile::overlay(&self.overlays) {
            if let Some(before) = self.record().profiles.get(name) {
                self.compare(&before.value, after.as_ref(), &mut released);
            }
        }
        released
    }

    fn compare(&self, before: &Profile, after: Option<&Profile>, released: &mut Released) {
        for vnic in before.vnics.values() {
            let kept = after.is_some_and(|after| after.vnics.values().any(|it| it.mac == vnic.mac));
            if !kept {
                let pool = match &vnic.mac_source {
                    MacSource::Pool(pool) => Some(pool),
                    MacSource::Fixed(_) => None,
                };
                released.macs.insert(vnic.mac, self.rest_until(pool));
            }
        }
        for vhba in before.vhbas.values() {
            let pool = match &vhba.wwn_source {
                WwnSource::Pool(pool) => Some(pool),
                WwnSource::Fixed { .. } => None,
            };
            for wwn in [vhba.wwpn, vhba.wwnn] {
                let kept = after.is_some_and(|after| after.vhbas.values().any(|it| [it.wwpn, it.wwnn].contains(&wwn)));
                if !kept {
                    released.wwns.insert(wwn, self.rest_until(pool));
                }
            }
        }
    }

    fn rest_until(&self, pool: Option<&Name>) -> UnixMillis {
        let pool = pool.and_then(|pool| self.get::<Pool>(pool));
        let seconds = pool.map_or(FIXED_QUARANTINE_SECONDS, |pool| pool.quarantine_seconds);
        self.now.saturating_add(seconds.saturating_mul(1_000))
    }

    fn check_quarantine(&self, ledger: &Ledger, released: usize) -> Result<(), Rejection> {
        let resting = ledger.returns.len() - ledger.returned(self.now).count();
        if released == 0 || resting + released <= MAX_QUARANTINED {
            return Ok(());
        }
        let first =
            ledger.returns.range((self.now.saturating_add(1), 0)..).next().map_or(self.now, |&(until, _)| until);
        let first_returns_in = seconds_until(first, self.now);
        Err(Rejection::QuarantineFull { limit: MAX_QUARANTINED, first_returns_in })
    }
}

fn event<T: Kept>(
    name: &Name,
    before: Option<&Versioned<T>>,
    after: Option<&T>,
    revision: Revision,
    now: UnixMillis,
) -> Event {
    let change = match (before, after) {
        (None, _) => Change::Created,
        (Some(_), Some(_)) => Change::Updated,
        (Some(_), None) => Change::Deleted,
    };
    let resource: Option<Resource> = after.cloned().map(T::into_resource);
    let (created, created_at) = before.map_or((revision, now), |before| (before.created, before.created_at));
    Event { key: T::key(name), change, resource, created, modified: revision, created_at, modified_at: now }
}
