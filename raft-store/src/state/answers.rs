//! Exactly-once retries: the answers to request ids, remembered as long as there is room ([`MAX_ANSWERS`]).

use twinrail_proto::domain::{
    Director, FailoverReceipt, Lan, Pool, Profile, QosPolicy, ResourceKey, ResourceKind, Revision, San, Server,
    Template,
};

use super::draft::Changes;
use super::kept::Kept;
use super::limits::{MAX_ANSWERS, MAX_REQUEST_ID, MAX_TOUCHED_PER_ANSWER};
use super::outcome::{Applied, Change, Event};
use super::record::Answer;
use super::{Command, Operation, Rejection, RequestId, State};

impl State {
    /// The answer to a request that was accepted before and is still remembered. Who is asked again need not plan again.
    pub fn answered(&self, request_id: &RequestId) -> Option<Applied> {
        let &revision = self.index.answers.get(request_id)?;
        Some(self.replay(revision, self.record.answers.get(&revision)?))
    }

    /// None: a request to act upon.
    pub(super) fn answered_before(&self, command: &Command) -> Result<Option<Applied>, Rejection> {
        let Some(request_id) = &command.request_id else { return Ok(None) };
        check_request_id(request_id)?;
        let Some(&revision) = self.index.answers.get(request_id) else { return Ok(None) };
        let Some(answer) = self.record.answers.get(&revision) else { return Ok(None) };
        if answer.intent != command.intent {
            return Err(Rejection::RequestIdReused { request_id: request_id.0.clone(), revision });
        }
        Ok(Some(self.replay(revision, answer)))
    }

    fn replay(&self, revision: Revision, answer: &Answer) -> Applied {
        let events = answer.touched.iter().map(|(key, change)| self.event_now(revision, key, *change)).collect();
        Applied { revision, replayed: true, events, effects: Vec::new() }
    }

    /// The resource as it is now, with what happened to it then.
    fn event_now(&self, revision: Revision, key: &ResourceKey, change: Change) -> Event {
        match key.kind {
            ResourceKind::Director => self.event_of::<Director>(revision, key, change),
            ResourceKind::Server => self.event_of::<Server>(revision, key, change),
            ResourceKind::Lan => self.event_of::<Lan>(revision, key, change),
            ResourceKind::San => self.event_of::<San>(revision, key, change),
            ResourceKind::Pool => self.event_of::<Pool>(revision, key, change),
            ResourceKind::QosPolicy => self.event_of::<QosPolicy>(revision, key, change),
            ResourceKind::Template => self.event_of::<Template>(revision, key, change),
            ResourceKind::Profile => self.event_of::<Profile>(revision, key, change),
            ResourceKind::Failover => self.event_of::<FailoverReceipt>(revision, key, change),
        }
    }

    fn event_of<T: Kept>(&self, revision: Revision, key: &ResourceKey, change: Change) -> Event {
        let key = key.clone();
        match T::table(&self.record).get(&key.name) {
            Some(now) => Event {
                key,
                change,
                resource: Some(now.value.clone().into_resource()),
                created: now.created,
                modified: now.modified,
                created_at: now.created_at,
                modified_at: now.modified_at,
            },
            None => Event {
                key,
                change,
                resource: None,
                created: revision,
                modified: revision,
                created_at: 0,
                modified_at: 0,
            },
        }
    }

    pub(super) fn remember(&mut self, command: &Command, changes: &Changes) {
        let Some(request_id) = &command.request_id else { return };
        let touched = changes.events.iter().take(MAX_TOUCHED_PER_ANSWER);
        let touched = touched.map(|event| (event.key.clone(), event.change)).collect();
        let answer = Answer { request_id: request_id.clone(), intent: command.intent, touched };
        self.record.answers.insert(changes.revision, answer);
        self.index.answers.insert(request_id.clone(), changes.revision);
        if self.record.answers.len() > MAX_ANSWERS
            && let Some((_, oldest)) = self.record.answers.pop_first()
        {
            self.index.answers.remove(&oldest.request_id);
        }
    }
}

/// For [`Operation::Recall`] of something that is not remembered, or without an id.
pub(super) fn not_remembered(command: &Command) -> Rejection {
    debug_assert_eq!(command.operation, Operation::Recall);
    match &command.request_id {
        Some(request_id) => Rejection::NotRemembered { request_id: request_id.0.clone() },
        None => Rejection::RequestIdMalformed { problem: "is missing".to_owned() },
    }
}

fn check_request_id(RequestId(text): &RequestId) -> Result<(), Rejection> {
    let malformed = |problem: String| Err(Rejection::RequestIdMalformed { problem });
    if text.is_empty() {
        return malformed("is empty".to_owned());
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        return malformed(format!("has the character {odd:?}"));
    }
    if text.len() > MAX_REQUEST_ID {
        return malformed(format!("has {} characters", text.len()));
    }
    Ok(())
}
