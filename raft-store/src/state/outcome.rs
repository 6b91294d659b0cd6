//! What applying a command answers.

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::{Resource, ResourceKey, Revision, UnixMillis};

use super::Rejection;

pub type Outcome = Result<Applied, Rejection>;

/// A command that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Of this command; for a replay, of the command that acted; for a preview, of the state that it was made from.
    pub revision: Revision,
    /// The request id was answered before: nothing changed now, and `events` show the resources as they are now.
    pub replayed: bool,
    /// One for each resource that changed, ordered by kind and name; none where everything was so already.
    pub events: Vec<Event>,
    /// The same for people, one line for each changed field. Empty for a replay.
    pub effects: Vec<Effect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Created,
    Updated,
    Deleted,
}

/// One resource changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub key: ResourceKey,
    pub change: Change,
    /// After the change; None when it is deleted.
    pub resource: Option<Resource>,
    pub created: Revision,
    /// The resource's etag; of a deleted one: the revision that deleted it.
    pub modified: Revision,
    pub created_at: UnixMillis,
    pub modified_at: UnixMillis,
}

/// One field of one resource changed, in words: what `validate_only` shows before it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// For example `profiles/web-1/vnics/eth0`.
    pub resource: String,
    /// Of that resource, not of the field.
    pub change: Change,
    /// None for a resource that has no fields of its own.
    pub field: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
}
