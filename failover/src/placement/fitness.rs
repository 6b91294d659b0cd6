use twinrail_proto::domain::{AdminState, DirectorRole, Name};

use super::view::{AdapterView, DirectorView, Reach};
use crate::Standing;

/// Why a director cannot carry an adapter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("director {0} is a witness: it votes and carries nothing")]
    Witness(Name),
    #[error("director {0} is drained; resume it first")]
    Drained(Name),
    #[error("director {0} is not heard of, or only just came back")]
    Silent(Name),
    #[error("director {director} has no uplink to {cloud}")]
    NoUplink { director: Name, cloud: Name },
    #[error("the port of director {director} on {cloud} does not work; see `twinrail director show {director}`")]
    UplinkDown { director: Name, cloud: Name },
    #[error("server {server} has no path to director {director}")]
    OutOfReach { server: Name, director: Name },
}

/// Whether a director could ever be a home, apart from any adapter and from how it is at the moment.
pub(super) fn may_be_home(director: &DirectorView) -> Result<(), Unfit> {
    if director.role == DirectorRole::Witness {
        return Err(Unfit::Witness(director.name.clone()));
    }
    if director.admin_state == AdminState::Drained {
        return Err(Unfit::Drained(director.name.clone()));
    }
    Ok(())
}

/// Whether a director may be given this adapter now.
pub(super) fn may_get(director: &DirectorView, adapter: &AdapterView, reach: &Reach) -> Result<(), Unfit> {
    may_be_home(director)?;
    if director.standing != Standing::Trusted {
        return Err(Unfit::Silent(director.name.clone()));
    }
    if adapter.needs_uplink && !director.uplinks.contains(adapter.cloud) {
        return Err(Unfit::NoUplink { director: director.name.clone(), cloud: adapter.cloud.clone() });
    }
    if adapter.needs_uplink && director.uplinks_down.contains(adapter.cloud) {
        return Err(Unfit::UplinkDown { director: director.name.clone(), cloud: adapter.cloud.clone() });
    }
    match adapter.server() {
        Some(server) if !reach.allows(server, director.name) => {
            Err(Unfit::OutOfReach { server: server.clone(), director: director.name.clone() })
        }
        _ => Ok(()),
    }
}
