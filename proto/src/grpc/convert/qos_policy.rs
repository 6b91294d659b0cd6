use crate::domain::{Name, QosPolicy, ResourceKind};
use crate::grpc::v1;

use super::{Path, Problems, Stamp, etag, resource_name, timestamp};

/// The highest priority code point: the field has three bits (IEEE 802.1Q, 9.6).
const MAX_PRIORITY: u8 = 7;

pub fn write_qos_policy(policy: &QosPolicy, stamp: Stamp) -> v1::QosPolicy {
    let QosPolicy { name, min_mbps, max_mbps, burst_kib, priority } = policy;
    v1::QosPolicy {
        name: resource_name(ResourceKind::QosPolicy, name),
        min_mbps: *min_mbps,
        max_mbps: *max_mbps,
        burst_kib: *burst_kib,
        priority: u32::from(*priority),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_qos_policy(
    message: v1::QosPolicy,
    name: Name,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<QosPolicy> {
    let v1::QosPolicy { name: _, min_mbps, max_mbps, burst_kib, priority, etag: _, create_time: _, update_time: _ } =
        message;
    if max_mbps != 0 && min_mbps > max_mbps {
        problems.add(&at.field("min_mbps"), format!("{min_mbps} is guaranteed but only {max_mbps} allowed (max_mbps)"));
    }
    let priority = u8::try_from(priority)
        .ok()
        .filter(|priority| *priority <= MAX_PRIORITY)
        .ok_or_else(|| format!("{priority} is no priority code point; 0 to {MAX_PRIORITY}"));
    let priority = problems.check(&at.field("priority"), priority);
    Some(QosPolicy { name, min_mbps, max_mbps, burst_kib, priority: priority? })
}
