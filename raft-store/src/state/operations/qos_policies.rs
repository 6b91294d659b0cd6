//! Quality-of-service policies.

use twinrail_proto::domain::{QosPolicy, Revision};

use super::checks::invalid;
use crate::state::Rejection;
use crate::state::draft::Draft;

/// IEEE 802.1Q, 6.9.3: three bits.
const HIGHEST_PRIORITY: u8 = 7;

pub(super) fn create(draft: &mut Draft<'_>, policy: &QosPolicy) -> Result<(), Rejection> {
    check(policy)?;
    draft.create(policy.clone())
}

pub(super) fn update(draft: &mut Draft<'_>, policy: &QosPolicy, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<QosPolicy>(&policy.name, if_match)?;
    check(policy)?;
    draft.put(policy.clone());
    Ok(())
}

fn check(policy: &QosPolicy) -> Result<(), Rejection> {
    let &QosPolicy { name: _, min_mbps, max_mbps, burst_kib, priority } = policy;
    if priority > HIGHEST_PRIORITY {
        let problem = format!("{priority} is out of range; 0 to {HIGHEST_PRIORITY} are allowed (IEEE 802.1Q)");
        return Err(invalid("qos_policy.priority", problem));
    }
    if max_mbps != 0 && min_mbps > max_mbps {
        let problem = format!("the guarantee of {min_mbps} Mb/s is above the limit of {max_mbps} Mb/s");
        return Err(invalid("qos_policy.min_mbps", problem));
    }
    if max_mbps == 0 && burst_kib != 0 {
        return Err(invalid("qos_policy.burst_kib", "a burst needs a limit that it may exceed; set max_mbps too"));
    }
    Ok(())
}
