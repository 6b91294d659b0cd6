//! The same rejections for programs: kind and reason, of which every variant has its own, and where one is to blame the field
//! of the request and the resource in the way.

use serde::{Deserialize, Serialize};
use twinrail_proto::domain::{Name, ResourceKey, ResourceKind};

use super::Rejection;

/// What a caller can do about it; becomes the gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionKind {
    NotFound,
    AlreadyExists,
    InvalidArgument,
    /// Change something else first.
    FailedPrecondition,
    /// The request was made from an older state: read again and retry.
    Aborted,
    ResourceExhausted,
    PermissionDenied,
}

impl Rejection {
    pub fn kind(&self) -> RejectionKind {
        self.classified().0
    }

    /// Stable, for programs (`google.rpc.ErrorInfo.reason`).
    pub fn reason(&self) -> &'static str {
        self.classified().1
    }

    fn classified(&self) -> (RejectionKind, &'static str) {
        use RejectionKind::*;
        match self {
            Self::RequestIdMalformed { .. } => (InvalidArgument, "REQUEST_ID_MALFORMED"),
            Self::RequestIdReused { .. } => (InvalidArgument, "REQUEST_ID_REUSED"),
            Self::NotRemembered { .. } => (Aborted, "REQUEST_NOT_REMEMBERED"),
            Self::OtherCluster { .. } => (FailedPrecondition, "OTHER_CLUSTER"),
            Self::Invalid { .. } => (InvalidArgument, "INVALID_VALUE"),
            Self::NotFound { .. } => (NotFound, "RESOURCE_NOT_FOUND"),
            Self::AdapterNotFound { .. } => (NotFound, "ADAPTER_NOT_FOUND"),
            Self::AdapterGone { .. } => (NotFound, "ADAPTER_GONE"),
            Self::AlreadyExists { .. } => (AlreadyExists, "RESOURCE_EXISTS"),
            Self::AdapterExists { .. } => (AlreadyExists, "ADAPTER_EXISTS"),
            Self::DirectorIdTaken { .. } => (AlreadyExists, "DIRECTOR_ID_TAKEN"),
            Self::StaleEtag { .. } => (Aborted, "STALE_ETAG"),
            Self::StaleEpoch { .. } => (Aborted, "STALE_EPOCH"),
            Self::StaleRelease { .. } => (Aborted, "STALE_RELEASE"),
            Self::IdentityInUse { .. } => (AlreadyExists, "IDENTITY_IN_USE"),
            Self::IdentityResting { .. } => (FailedPrecondition, "IDENTITY_IN_QUARANTINE"),
            Self::PoolExhausted { .. } => (ResourceExhausted, "POOL_EXHAUSTED"),
            Self::WrongPoolKind { .. } => (InvalidArgument, "WRONG_POOL_KIND"),
            Self::PoolsOverlap { .. } => (InvalidArgument, "POOLS_OVERLAP"),
            Self::RangeInUse { .. } => (FailedPrecondition, "POOL_RANGE_IN_USE"),
            Self::QuarantineFull { .. } => (ResourceExhausted, "QUARANTINE_FULL"),
            Self::LimitReached { .. } => (ResourceExhausted, "LIMIT_REACHED"),
            Self::Referenced { .. } => (FailedPrecondition, "RESOURCE_IN_USE"),
            Self::RuledByTemplate { .. } => (FailedPrecondition, "RULED_BY_TEMPLATE"),
            Self::TemplateConflict { .. } => (FailedPrecondition, "TEMPLATE_CONFLICT"),
            Self::ModeFixed { .. } => (FailedPrecondition, "TEMPLATE_MODE_FIXED"),
            Self::Immutable { .. } => (InvalidArgument, "FIELD_IMMUTABLE"),
            Self::AlreadyBound { .. } => (FailedPrecondition, "PROFILE_ALREADY_BOUND"),
            Self::StillBound { .. } => (FailedPrecondition, "PROFILE_STILL_BOUND"),
            Self::NotBound { .. } => (FailedPrecondition, "PROFILE_NOT_BOUND"),
            Self::SameServer { .. } => (InvalidArgument, "SAME_SERVER"),
            Self::ServerIsSpare { .. } => (FailedPrecondition, "SERVER_IS_SPARE"),
            Self::ServerFull { .. } => (ResourceExhausted, "SERVER_FULL"),
            Self::DeviceNameTaken { .. } => (FailedPrecondition, "DEVICE_NAME_TAKEN"),
            Self::ServerClaimed { .. } => (PermissionDenied, "SERVER_CLAIMED"),
            Self::StoreClaimed { .. } => (PermissionDenied, "DIRECTOR_CLAIMED"),
            Self::AddressTaken { .. } => (AlreadyExists, "ADDRESS_TAKEN"),
            Self::DirectorIsHome { .. } => (FailedPrecondition, "DIRECTOR_IS_HOME"),
            Self::LastCarrier { .. } => (FailedPrecondition, "LAST_DIRECTOR"),
            Self::UplinkInUse { .. } => (FailedPrecondition, "UPLINK_IN_USE"),
            Self::Unfit { .. } => (FailedPrecondition, "DIRECTOR_UNFIT"),
            Self::NamedTwice { .. } => (InvalidArgument, "ADAPTER_NAMED_TWICE"),
            Self::ForeignAdapter { .. } => (InvalidArgument, "FOREIGN_ADAPTER"),
            Self::HomeWithoutServer { .. } => (FailedPrecondition, "HOME_WITHOUT_SERVER"),
            Self::NotInReceipt { .. } => (InvalidArgument, "NOT_IN_RECEIPT"),
            Self::ReceiptMismatch { .. } => (InvalidArgument, "RECEIPT_MISMATCH"),
            Self::NotDeletable { .. } => (InvalidArgument, "NOT_DELETABLE"),
        }
    }

    /// The path of the field of the request that is to blame, where one is: `profile.vnics[eth0].mac`.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. }
            | Self::AdapterExists { field, .. }
            | Self::IdentityInUse { field, .. }
            | Self::IdentityResting { field, .. }
            | Self::PoolExhausted { field, .. }
            | Self::WrongPoolKind { field, .. }
            | Self::PoolsOverlap { field, .. }
            | Self::TemplateConflict { field, .. }
            | Self::Immutable { field, .. }
            | Self::AddressTaken { field, .. }
            | Self::UplinkInUse { field, .. } => Some(field),
            Self::NotFound { field, .. } | Self::LimitReached { field, .. } => field.as_deref(),
            Self::RequestIdMalformed { .. } | Self::RequestIdReused { .. } | Self::NotRemembered { .. } => {
                Some("request_id")
            }
            Self::StaleEtag { .. } => Some("etag"),
            Self::DirectorIdTaken { .. } => Some("director.id"),
            Self::OtherCluster { .. } => Some("cluster"),
            Self::SameServer { .. } | Self::ServerIsSpare { .. } | Self::ServerFull { .. } => Some("server"),
            Self::RangeInUse { .. } => Some("pool.ranges"),
            Self::ModeFixed { .. } => Some("template.mode"),
            _ => None,
        }
    }

    /// The name of the resource that stands in the way: `profiles/web-1`, `profiles/web-1/vnics/eth0`.
    pub fn resource(&self) -> Option<String> {
        match self {
            Self::NotFound { key, .. }
            | Self::AlreadyExists { key }
            | Self::StaleEtag { key, .. }
            | Self::Referenced { key, .. }
            | Self::Immutable { key, .. }
            | Self::AddressTaken { holder: key, .. }
            | Self::NotDeletable { key } => Some(key.to_string()),
            Self::AdapterNotFound { adapter }
            | Self::AdapterExists { adapter, .. }
            | Self::StaleEpoch { adapter, .. }
            | Self::RuledByTemplate { adapter, .. }
            | Self::TemplateConflict { adapter, .. }
            | Self::ForeignAdapter { adapter, .. }
            | Self::HomeWithoutServer { adapter } => Some(adapter.clone()),
            Self::IdentityInUse { holder, .. } => Some(holder.clone()),
            other => other.owner().map(|(kind, name)| ResourceKey { kind, name: name.clone() }.to_string()),
        }
    }

    /// For those that name a resource of one kind only.
    fn owner(&self) -> Option<(ResourceKind, &Name)> {
        match self {
            Self::PoolExhausted { pool, .. } | Self::WrongPoolKind { pool, .. } | Self::RangeInUse { pool, .. } => {
                Some((ResourceKind::Pool, pool))
            }
            Self::PoolsOverlap { other, .. } => Some((ResourceKind::Pool, other)),
            Self::ModeFixed { template, .. } => Some((ResourceKind::Template, template)),
            Self::StaleRelease { profile, .. }
            | Self::AlreadyBound { profile, .. }
            | Self::StillBound { profile, .. }
            | Self::NotBound { profile }
            | Self::SameServer { profile, .. } => Some((ResourceKind::Profile, profile)),
            Self::ServerIsSpare { server, .. }
            | Self::ServerFull { server, .. }
            | Self::DeviceNameTaken { server, .. }
            | Self::ServerClaimed { server } => Some((ResourceKind::Server, server)),
            Self::StoreClaimed { director }
            | Self::DirectorIsHome { director, .. }
            | Self::LastCarrier { director }
            | Self::UplinkInUse { director, .. }
            | Self::Unfit { director, .. }
            | Self::DirectorIdTaken { holder: Some(director), .. } => Some((ResourceKind::Director, director)),
            Self::NotInReceipt { failover, .. } => Some((ResourceKind::Failover, failover)),
            _ => None,
        }
    }
}
