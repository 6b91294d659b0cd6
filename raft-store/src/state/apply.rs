//! The one way to change a state: plan on a draft, commit what it found.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use twinrail_proto::domain::{Profile, Revision, UnixMillis};

use super::draft::{Changes, Draft};
use super::identity::{Identity, Ledger};
use super::index::indexed_alike;
use super::kept::Kept;
use super::outcome::{Applied, Outcome};
use super::record::Versioned;
use super::{Command, State, operations};

/// Who learns of a command's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Somebody waits for the answer: it has the effects in words.
    People,
    /// Nobody does: the effects, which cost more than the change itself, are left out.
    Nobody,
}

/// What comes of a command before anything is changed.
enum Plan {
    Act(Box<Changes>),
    /// It was answered before.
    Replay(Applied),
}

impl State {
    /// Applies one command, the log entry of this revision. A rejection changes nothing.
    pub fn apply(&mut self, revision: Revision, command: &Command) -> Outcome {
        self.apply_for(Audience::People, revision, command)
    }

    /// The same, with no more words than anybody reads.
    pub fn apply_for(&mut self, audience: Audience, revision: Revision, command: &Command) -> Outcome {
        match self.plan(audience, revision, command)? {
            Plan::Replay(applied) => Ok(applied),
            Plan::Act(changes) => Ok(self.commit(command, *changes)),
        }
    }

    /// What [`Self::apply`] would answer now; changes nothing.
    pub fn preview(&self, command: &Command) -> Outcome {
        match self.plan(Audience::People, Revision(self.record.revision.0 + 1), command)? {
            Plan::Replay(applied) => Ok(applied),
            Plan::Act(changes) => {
                let Changes { events, effects, .. } = *changes;
                Ok(Applied { revision: self.record.revision, replayed: false, events, effects })
            }
        }
    }

    fn plan(&self, audience: Audience, revision: Revision, command: &Command) -> Result<Plan, super::Rejection> {
        if let Some(applied) = self.answered_before(command)? {
            return Ok(Plan::Replay(applied));
        }
        let mut draft = Draft::new(self, revision, command.at);
        operations::run(&mut draft, command)?;
        Ok(Plan::Act(Box::new(draft.finish(audience)?)))
    }

    /// Cannot fail: everything was checked on the draft.
    fn commit(&mut self, command: &Command, mut changes: Changes) -> Applied {
        self.end_quarantines(changes.at);
        self.commit_profiles(&mut changes);
        self.commit_tables(&mut changes);
        self.begin_quarantines(&changes);
        let record = &mut self.record;
        record.revision = changes.revision;
        record.last_at = changes.at;
        record.last_adapter = changes.last_adapter;
        record.retired_directors.extend(changes.retired_director);
        self.note(command, &changes);
        if changes.cluster.is_some() {
            self.record.cluster = changes.cluster.take();
        }
        self.remember(command, &changes);
        let Changes { revision, events, effects, .. } = changes;
        Applied { revision, replayed: false, events, effects }
    }

    /// Of the old and the new profiles, before the table forgets the old ones. All old ones go first: so no order matters.
    fn commit_profiles(&mut self, changes: &mut Changes) {
        let profiles = &self.record.profiles;
        let changed = Profile::overlay(&changes.overlays).iter().map(|(name, after)| {
            let before = profiles.get(name).map(|versioned| &versioned.value);
            (before, after.as_ref())
        });
        let to_index: Vec<(Option<&Profile>, Option<&Profile>)> = changed
            .filter(|change| !matches!(change, (Some(before), Some(after)) if indexed_alike(before, after)))
            .collect();
        to_index.iter().filter_map(|(before, _)| *before).for_each(|before| self.index.forget(before));
        to_index.iter().filter_map(|(_, after)| *after).for_each(|after| self.index.learn(after));
        self.commit_table::<Profile>(changes);
    }

    fn commit_tables(&mut self, changes: &mut Changes) {
        use twinrail_proto::domain::{Director, FailoverReceipt, Lan, Pool, QosPolicy, San, Server, Template};
        self.commit_table::<Director>(changes);
        self.commit_table::<Server>(changes);
        self.commit_table::<Lan>(changes);
        self.commit_table::<San>(changes);
        self.commit_table::<Pool>(changes);
        self.commit_table::<QosPolicy>(changes);
        self.commit_table::<Template>(changes);
        self.commit_table::<FailoverReceipt>(changes);
    }

    fn commit_table<T: Kept>(&mut self, changes: &mut Changes) {
        let (revision, at) = (changes.revision, changes.at);
        let table = T::table_mut(&mut self.record);
        for (name, after) in std::mem::take(T::overlay_mut(&mut changes.overlays)) {
            let Some(value) = after else {
                table.remove(&name);
                continue;
            };
            match table.entry(name) {
                Entry::Vacant(free) => {
                    let (created, created_at) = (revision, at);
                    free.insert(Versioned { value, created, modified: revision, created_at, modified_at: at });
                }
                Entry::Occupied(mut taken) => {
                    let versioned = taken.get_mut();
                    (versioned.value, versioned.modified, versioned.modified_at) = (value, revision, at);
                }
            }
        }
    }

    fn end_quarantines(&mut self, now: UnixMillis) {
        wake(&mut self.record.quarantined_macs, &mut self.index.macs, now);
        wake(&mut self.record.quarantined_wwns, &mut self.index.wwns, now);
    }

    fn begin_quarantines(&mut self, changes: &Changes) {
        rest(&mut self.record.quarantined_macs, &mut self.index.macs, &changes.released.macs, changes.at);
        rest(&mut self.record.quarantined_wwns, &mut self.index.wwns, &changes.released.wwns, changes.at);
    }
}

fn wake<I: Identity>(quarantine: &mut BTreeMap<I, UnixMillis>, ledger: &mut Ledger, now: UnixMillis) {
    let returned: Vec<u64> = ledger.returned(now).collect();
    for identity in returned.into_iter().map(I::from_number) {
        if let Some(until) = quarantine.remove(&identity) {
            ledger.wake(identity, until);
        }
    }
}

fn rest<I: Identity>(
    quarantine: &mut BTreeMap<I, UnixMillis>,
    ledger: &mut Ledger,
    released: &BTreeMap<I, UnixMillis>,
    now: UnixMillis,
) {
    for (&identity, &until) in released.iter().filter(|&(_, &until)| until > now) {
        quarantine.insert(identity, until);
        ledger.rest(identity, until);
    }
}
