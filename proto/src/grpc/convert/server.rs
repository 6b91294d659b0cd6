use std::net::IpAddr;

use crate::domain::{MAX_ADAPTERS_PER_SERVER, Name, RailAddresses, ResourceKind, Server};
use crate::grpc::v1;

use super::{Path, Problems, Stamp, etag, resource_name, timestamp};

/// Most characters of a machine id. systemd's has 32, a DMI UUID 36: this is room for others, and bounds the state.
const MAX_MACHINE_ID: usize = 128;

pub fn write_server(server: &Server, stamp: Stamp) -> v1::Server {
    let Server { name, machine_id, rails, spare, max_adapters } = server;
    v1::Server {
        name: resource_name(ResourceKind::Server, name),
        machine_id: machine_id.clone().unwrap_or_default(),
        rails: rails.as_ref().map(write_rail_addresses),
        spare: *spare,
        max_adapters: *max_adapters,
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_server(message: v1::Server, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Server> {
    let v1::Server { name: _, machine_id, rails, spare, max_adapters, etag: _, create_time: _, update_time: _ } =
        message;
    let machine_id = read_machine_id(machine_id, &at.field("machine_id"), problems);
    let rails = match rails {
        Some(rails) => read_rail_addresses(rails, &at.field("rails"), problems).map(Some),
        None => Some(None),
    };
    let max_adapters = read_max_adapters(max_adapters, &at.field("max_adapters"), problems);
    Some(Server { name, machine_id: machine_id?, rails: rails?, spare, max_adapters: max_adapters? })
}

pub fn write_rail_addresses(rails: &RailAddresses) -> v1::RailAddresses {
    let RailAddresses { a, b } = rails;
    v1::RailAddresses { a: a.to_string(), b: b.to_string() }
}

pub fn read_rail_addresses(
    message: v1::RailAddresses,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<RailAddresses> {
    let v1::RailAddresses { a, b } = message;
    let a = read_address(&a, &at.field("a"), problems);
    let b = read_address(&b, &at.field("b"), problems);
    let (a, b) = (a?, b?);
    if a == b {
        problems.add(&at.field("b"), format!("{b} is the address on rail A already; the rails are separate networks"));
    }
    Some(RailAddresses { a, b })
}

fn read_address(text: &str, at: &Path<'_>, problems: &mut Problems) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().map_err(|_| format!("{text:?} is no IP address"));
    let address = problems.check(at, address)?;
    if address.is_unspecified() || address.is_multicast() {
        problems.add(at, format!("{address} is no address of one machine"));
    }
    Some(address)
}

fn read_machine_id(text: String, at: &Path<'_>, problems: &mut Problems) -> Option<Option<String>> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > MAX_MACHINE_ID || !printable {
        problems.add(at, format!("a machine id has at most {MAX_MACHINE_ID} printable ASCII characters and no blank"));
        return None;
    }
    Some(Some(text).filter(|text| !text.is_empty()))
}

fn read_max_adapters(number: u32, at: &Path<'_>, problems: &mut Problems) -> Option<u32> {
    let most = MAX_ADAPTERS_PER_SERVER as u32;
    if number > most {
        problems.add(at, format!("{number} adapters; a server can have {most} at most"));
        return None;
    }
    Some(if number == 0 { most } else { number })
}
