//! Why a command is refused. One variant for each meaning; the text says what was wrong, where, and what to do.
//! `classify` sorts the variants for the API.

mod classify;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::{AdapterId, DirectorId, Epoch, Name, ResourceKey, Revision};

pub use classify::RejectionKind;

/// `field` is the path in the request; `adapter`, `by` and `holder` are resource names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    #[error("the request id {problem}; send 1 to 128 printable ASCII characters, best a UUID")]
    RequestIdMalformed { problem: String },
    #[error(
        "request id '{request_id}' was used at revision {revision} for another operation; send a new id with each new request"
    )]
    RequestIdReused { request_id: String, revision: Revision },
    #[error("the request id '{request_id}' is not remembered; the request must be planned and sent whole")]
    NotRemembered { request_id: String },
    #[error("this cluster is '{present}', not '{asked}'; check the cluster name in the configuration")]
    OtherCluster { present: Name, asked: String },
    #[error("{field}: {problem}")]
    Invalid { field: String, problem: String },

    #[error("there is no {} '{}'{}", key.kind.noun(), key.name, named_by(field))]
    NotFound { key: ResourceKey, field: Option<String> },
    #[error("there is no adapter {adapter}")]
    AdapterNotFound { adapter: String },
    #[error("there is no adapter with the id {adapter} (any more); plan again from the present state")]
    AdapterGone { adapter: AdapterId },
    #[error("{} '{}' exists already; choose another name, or update it", key.kind.noun(), key.name)]
    AlreadyExists { key: ResourceKey },
    #[error("{adapter} exists already; choose another name, or update it")]
    AdapterExists { field: String, adapter: String },
    #[error("{}; every director needs an id of its own", id_taken(*id, holder))]
    DirectorIdTaken { id: DirectorId, holder: Option<Name> },
    #[error("{key} changed: it is at revision {present}, the request was made from {seen}; read it again and retry")]
    StaleEtag { key: ResourceKey, seen: Revision, present: Revision },
    #[error("{adapter} is at epoch {present}, the plan expected {seen}; plan again from the present state")]
    StaleEpoch { adapter: String, seen: Epoch, present: Epoch },
    #[error("the release of profile '{profile}' by server '{from}' is over: {problem}")]
    StaleRelease { profile: Name, from: Name, problem: String },

    #[error("{field}: {identity} belongs to {holder}; give another one, or draw from a pool")]
    IdentityInUse { field: String, identity: String, holder: String },
    #[error(
        "{field}: {identity} was released a short while ago and is in quarantine for another {seconds} s; wait, or give another one"
    )]
    IdentityResting { field: String, identity: String, seconds: u64 },
    #[error("{field}: pool '{pool}' is exhausted{}; add a range to it", rest_text(*resting, *first_returns_in))]
    PoolExhausted { field: String, pool: Name, resting: usize, first_returns_in: Option<u64> },
    #[error("{field}: pool '{pool}' does not hold {wanted}; name a pool that does")]
    WrongPoolKind { field: String, pool: Name, wanted: String },
    #[error("{field}: the range {range} overlaps pool '{other}'; pools of one kind must not overlap")]
    PoolsOverlap { field: String, range: String, other: Name },
    #[error("pool '{pool}' must keep the range that holds {identity}: {holder} uses it")]
    RangeInUse { pool: Name, identity: String, holder: String },
    #[error(
        "{limit} released identities are in quarantine, which is the limit; the first of them returns in {first_returns_in} s, release more then"
    )]
    QuarantineFull { limit: usize, first_returns_in: u64 },
    #[error("{what}: at most {limit} are allowed; delete some first")]
    LimitReached { field: Option<String>, what: String, limit: usize },
    #[error("{key} is in use by {by}{}; change or delete what uses it first", and_others(*others))]
    Referenced { key: ResourceKey, by: String, others: usize },

    #[error("{adapter} is ruled by the updating template '{template}'; change the template instead")]
    RuledByTemplate { adapter: String, template: Name },
    #[error("{field}: {adapter} exists already and is not from template '{template}'; rename or delete one of the two")]
    TemplateConflict { field: String, adapter: String, template: Name },
    #[error(
        "template '{template}' was copied into profiles already ({profiles}); it becomes updating only while there are none, so make a new template"
    )]
    ModeFixed { template: Name, profiles: usize },
    #[error("{field} of {key} is {present} and cannot be changed")]
    Immutable { field: String, key: ResourceKey, present: String },

    #[error("profile '{profile}' is bound to server '{server}' already; move it instead")]
    AlreadyBound { profile: Name, server: Name },
    #[error("profile '{profile}' is bound to server '{server}'; undeploy it first")]
    StillBound { profile: Name, server: Name },
    #[error("profile '{profile}' is bound to no server; deploy it instead")]
    NotBound { profile: Name },
    #[error("profile '{profile}' is on server '{server}' already; name another server")]
    SameServer { profile: Name, server: Name },
    #[error(
        "server '{server}' is a spare, kept for profiles of servers that fail; move profile '{profile}' there instead"
    )]
    ServerIsSpare { profile: Name, server: Name },
    #[error(
        "server '{server}' would have {needed} adapters, its limit is {limit}; choose another server or raise max_adapters"
    )]
    ServerFull { server: Name, needed: usize, limit: usize },
    #[error(
        "server '{server}' would have two devices named '{name}': {first} and {second}; rename one, or choose another server"
    )]
    DeviceNameTaken { server: Name, name: Name, first: String, second: String },
    #[error(
        "server '{server}' was claimed by another machine; if this machine replaces it, update the server's machine_id"
    )]
    ServerClaimed { server: Name },
    #[error("director '{director}' was claimed by another store; a second machine must join under an id of its own")]
    StoreClaimed { director: Name },
    #[error("{field}: {address} belongs to {holder}; every machine needs an address of its own on each rail")]
    AddressTaken { field: String, address: IpAddr, holder: ResourceKey },

    #[error("director '{director}' is the home of {adapter}{}; drain it first", and_others(*others))]
    DirectorIsHome { director: Name, adapter: String, others: usize },
    #[error("director '{director}' is the last one that is not a witness; add another one first")]
    LastCarrier { director: Name },
    #[error("{field}: director '{director}' is the home of {adapter}{} and needs its uplink; move them first", and_others(*others))]
    UplinkInUse { field: String, director: Name, adapter: String, others: usize },
    #[error("director '{director}' cannot carry {adapter}: it {reason}; choose another director")]
    Unfit { director: Name, adapter: String, reason: Unfitness },
    #[error("the plan names adapter {adapter} twice; name each adapter once")]
    NamedTwice { adapter: AdapterId },
    #[error("the plan names {adapter}, which is not of profile '{profile}'")]
    ForeignAdapter { adapter: String, profile: Name },
    #[error("{adapter} is on no server and can have no home; deploy its profile first")]
    HomeWithoutServer { adapter: String },
    #[error("receipt '{failover}' does not say that adapter {adapter} went to director '{director}'")]
    NotInReceipt { failover: Name, director: Name, adapter: AdapterId },
    #[error("the receipt lists adapter {adapter}, the plan does not")]
    ReceiptMismatch { adapter: AdapterId },
    #[error("{key} is a record of what happened; the oldest ones go by themselves, none can be deleted")]
    NotDeletable { key: ResourceKey },
}

/// Why a director may not carry an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unfitness {
    #[error("is a witness")]
    Witness,
    #[error("is drained")]
    Drained,
    #[error("has no uplink to {cloud}")]
    NoUplink { cloud: ResourceKey },
    #[error("is listed twice, or as a successor of itself")]
    ListedTwice,
}

fn named_by(field: &Option<String>) -> String {
    field.as_ref().map(|field| format!(" (named by {field})")).unwrap_or_default()
}

fn id_taken(id: DirectorId, holder: &Option<Name>) -> String {
    match holder {
        Some(holder) => format!("director id {id} belongs to director '{holder}'"),
        None => format!("director id {id} belonged to a director that was removed"),
    }
}

fn rest_text(resting: usize, first_returns_in: Option<u64>) -> String {
    match first_returns_in {
        Some(seconds) => {
            format!(", and {resting} of its identities rest in quarantine, the first of them for another {seconds} s")
        }
        None => ": all its identities are in use".to_owned(),
    }
}

fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        _ => format!(" and {others} more"),
    }
}
