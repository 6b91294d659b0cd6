use crate::domain::{AdminState, Director, DirectorId, DirectorRole, Name, ResourceKind};
use crate::grpc::v1;

use super::{Path, Problems, Stamp, etag, read_rail_addresses, resource_name, timestamp, write_rail_addresses};

pub fn write_director(director: &Director, stamp: Stamp) -> v1::Director {
    let Director { name, id, role, admin_state, rails, api_address, store_id } = director;
    v1::Director {
        name: resource_name(ResourceKind::Director, name),
        id: id.0,
        role: write_director_role(*role).into(),
        admin_state: write_admin_state(*admin_state).into(),
        rails: Some(write_rail_addresses(rails)),
        api_address: api_address.clone(),
        store_id: store_id.clone().unwrap_or_default(),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_director(message: v1::Director, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Director> {
    let v1::Director {
        name: _,
        id,
        role,
        admin_state,
        rails,
        api_address,
        store_id: _,
        etag: _,
        create_time: _,
        update_time: _,
    } = message;
    let id = read_id(id, &at.field("id"), problems);
    let role = read_role(role, &at.field("role"), problems);
    let admin_state = read_admin_state(admin_state, &at.field("admin_state"), problems);
    let rails = read_rail_addresses(rails.unwrap_or_default(), &at.field("rails"), problems);
    let api_address = read_api_address(api_address, &at.field("api_address"), problems);
    Some(Director {
        name,
        id: id?,
        role: role?,
        admin_state: admin_state?,
        rails: rails?,
        api_address: api_address?,
        // The store itself claims it; the state machine keeps what was claimed.
        store_id: None,
    })
}

pub fn write_director_role(role: DirectorRole) -> v1::DirectorRole {
    match role {
        DirectorRole::Active => v1::DirectorRole::Active,
        DirectorRole::Spare => v1::DirectorRole::Spare,
        DirectorRole::Witness => v1::DirectorRole::Witness,
    }
}

pub fn write_admin_state(state: AdminState) -> v1::AdminState {
    match state {
        AdminState::Enabled => v1::AdminState::Enabled,
        AdminState::Drained => v1::AdminState::Drained,
    }
}

fn read_id(id: u64, at: &Path<'_>, problems: &mut Problems) -> Option<DirectorId> {
    if id == 0 {
        problems.add(at, "a director needs an id, a number from 1 that no other director has or had");
        return None;
    }
    Some(DirectorId(id))
}

fn read_role(role: i32, at: &Path<'_>, problems: &mut Problems) -> Option<DirectorRole> {
    match v1::DirectorRole::try_from(role) {
        Ok(v1::DirectorRole::Active) => Some(DirectorRole::Active),
        Ok(v1::DirectorRole::Spare) => Some(DirectorRole::Spare),
        Ok(v1::DirectorRole::Witness) => Some(DirectorRole::Witness),
        Ok(v1::DirectorRole::Unspecified) | Err(_) => {
            problems.add(at, "say which: DIRECTOR_ROLE_ACTIVE, DIRECTOR_ROLE_SPARE or DIRECTOR_ROLE_WITNESS");
            None
        }
    }
}

fn read_admin_state(state: i32, at: &Path<'_>, problems: &mut Problems) -> Option<AdminState> {
    match v1::AdminState::try_from(state) {
        Ok(v1::AdminState::Unspecified | v1::AdminState::Enabled) => Some(AdminState::Enabled),
        Ok(v1::AdminState::Drained) => Some(AdminState::Drained),
        Err(_) => {
            problems.add(at, format!("{state} is no admin state; ADMIN_STATE_ENABLED or ADMIN_STATE_DRAINED"));
            None
        }
    }
}

fn read_api_address(address: String, at: &Path<'_>, problems: &mut Problems) -> Option<String> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse().ok());
    match port {
        Some(1..=u16::MAX) => Some(address),
        _ => {
            problems.add(at, format!("expected host:port, as 192.0.2.1:7400 or [2001:db8::1]:7400, got {address:?}"));
            None
        }
    }
}
