//! What is stored and replicated, as plain data. Everything else in a state is derived from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::{
    AdapterId, Director, DirectorId, FailoverReceipt, Lan, MacAddress, Name, Pool, Profile, QosPolicy, ResourceKey,
    Revision, San, Server, Template, UnixMillis, Wwn,
};

use super::{Change, RequestId};

/// A resource with the revisions and times of its first and last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<T> {
    pub value: T,
    pub created: Revision,
    /// What its etag is made of.
    pub modified: Revision,
    pub created_at: UnixMillis,
    pub modified_at: UnixMillis,
}

pub(super) type Table<T> = BTreeMap<Name, Versioned<T>>;

/// Added fields get their default when an older snapshot is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub cluster: Option<Name>,
    /// Of the last command that was accepted.
    pub revision: Revision,
    /// The newest time of an accepted command.
    pub last_at: UnixMillis,
    /// The highest adapter id ever given.
    pub last_adapter: AdapterId,
    pub directors: Table<Director>,
    pub retired_directors: BTreeSet<DirectorId>,
    pub servers: Table<Server>,
    pub lans: Table<Lan>,
    pub sans: Table<San>,
    pub pools: Table<Pool>,
    pub qos_policies: Table<QosPolicy>,
    pub templates: Table<Template>,
    pub profiles: Table<Profile>,
    pub failovers: Table<FailoverReceipt>,
    /// Released identities and when each may be used again.
    pub quarantined_macs: BTreeMap<MacAddress, UnixMillis>,
    pub quarantined_wwns: BTreeMap<Wwn, UnixMillis>,
    pub answers: BTreeMap<Revision, Answer>,
    pub audit: VecDeque<AuditEntry>,
}

/// What is remembered of an accepted command that had a request id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub request_id: RequestId,
    /// The command's digest of what was asked for, so that the same id with another request is noticed.
    pub intent: u64,
    pub touched: Vec<(ResourceKey, Change)>,
}

/// One line of the audit trail: an accepted command that changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub revision: Revision,
    pub at: UnixMillis,
    /// Who asked.
    pub actor: String,
    /// For example `bind profiles/web-1 to s1`.
    pub summary: String,
    /// What was asked for, for example `profiles/web-1`.
    pub resource: String,
    /// For example `1 created, 3 updated`.
    pub outcome: String,
}
