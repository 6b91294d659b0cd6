//! LANs: a name, and a port for each director that reaches it. The uplinks of SANs are read here as well.

use std::collections::BTreeMap;

use crate::domain::{Lan, Name, ResourceKind};
use crate::grpc::v1;

use super::{Path, Problems, Stamp, etag, parse_reference, resource_name, timestamp};

/// Most characters of a network device's name (Linux: IFNAMSIZ is 16 and counts the final NUL).
const MAX_DEVICE: usize = 15;

pub fn write_lan(lan: &Lan, stamp: Stamp) -> v1::Lan {
    let Lan { name, uplinks } = lan;
    let uplinks = uplinks.iter().map(|(director, port)| v1::LanUplink {
        director: resource_name(ResourceKind::Director, director),
        port: port.clone(),
    });
    v1::Lan {
        name: resource_name(ResourceKind::Lan, name),
        uplinks: uplinks.collect(),
        etag: etag(stamp.modified),
        create_time: Some(timestamp(stamp.created_at)),
        update_time: Some(timestamp(stamp.modified_at)),
    }
}

pub fn read_lan(message: v1::Lan, name: Name, at: &Path<'_>, problems: &mut Problems) -> Option<Lan> {
    let v1::Lan { name: _, uplinks, etag: _, create_time: _, update_time: _ } = message;
    let pairs = uplinks.into_iter().map(|v1::LanUplink { director, port }| (director, port));
    let uplinks = read_uplinks(pairs, device, &at.field("uplinks"), problems);
    Some(Lan { name, uplinks: uplinks? })
}

pub(super) fn read_uplinks<P>(
    pairs: impl Iterator<Item = (String, String)>,
    read_port: fn(String) -> Result<P, String>,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<BTreeMap<Name, P>> {
    let mut uplinks = BTreeMap::new();
    let mut complete = true;
    for (i, (director, port)) in pairs.enumerate() {
        let at = at.index(i);
        let port = problems.check(&at.field("port"), read_port(port));
        let Some(director) = parse_reference(ResourceKind::Director, &director, &at.field("director"), problems) else {
            complete = false;
            continue;
        };
        if uplinks.contains_key(&director) {
            problems.add(&at.field("director"), format!("director {director} has an uplink further up already"));
        }
        uplinks.insert(director, port);
    }
    let all = uplinks.into_iter().map(|(director, port)| Some((director, port?))).collect();
    if complete { all } else { None }
}

/// What the kernel takes as the name of a device (`dev_valid_name` in net/core/dev.c).
fn device(port: String) -> Result<String, String> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if port.is_empty() || port.len() > MAX_DEVICE || port.contains(bad) || port == "." || port == ".." {
        return Err(format!("{port:?} is no network device; 1 to {MAX_DEVICE} characters, no blank, ':' or '/'"));
    }
    Ok(port)
}
