//! LANs and SANs: the clouds outside and the ports by which directors reach them.

use std::collections::BTreeMap;

use twinrail_proto::domain::{AdapterKind, Director, Lan, Name, Profile, Revision, San, SanDisk, SanProblem};

use super::checks::{check_text, invalid};
use super::homes::{drop_successors, paths_of_homes};
use crate::state::Rejection;
use crate::state::draft::Draft;
use crate::state::limits::MAX_VNIC_NAME;

pub(super) fn create_lan(draft: &mut Draft<'_>, lan: &Lan) -> Result<(), Rejection> {
    check_devices("lan", &lan.uplinks)?;
    check_directors(draft, "lan", &lan.uplinks)?;
    draft.create(lan.clone())
}

pub(super) fn update_lan(draft: &mut Draft<'_>, lan: &Lan, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<Lan>(&lan.name, if_match)?;
    check_devices("lan", &lan.uplinks)?;
    check_directors(draft, "lan", &lan.uplinks)?;
    give_up_uplinks(draft, AdapterKind::Vnic, &lan.name, &lan.uplinks)?;
    draft.put(lan.clone());
    Ok(())
}

pub(super) fn create_san(draft: &mut Draft<'_>, san: &San) -> Result<(), Rejection> {
    check_san(draft, san)?;
    draft.create(san.clone())
}

/// A CHAP secret that is not given stays. A disk's file never shrinks under those who use it.
pub(super) fn update_san(draft: &mut Draft<'_>, san: &San, if_match: Option<Revision>) -> Result<(), Rejection> {
    draft.check_etag::<San>(&san.name, if_match)?;
    let before = draft.require::<San>(&san.name)?;
    let mut san = san.clone();
    if let (Some(new), Some(known)) = (&mut san.chap, &before.chap)
        && new.secret.is_empty()
        && new.user == known.user
    {
        new.secret.clone_from(&known.secret);
    }
    let shrinks = |(name, disk): &(&Name, &SanDisk)| {
        before.disks.get(*name).is_some_and(|it| it.octets > disk.octets || it.block_length != disk.block_length)
    };
    if let Some((name, _)) = san.disks.iter().find(shrinks) {
        let problem = "a disk may grow, and keeps its block length; make another one, and delete this one";
        return Err(invalid(&format!("san.disks[{name}]"), problem));
    }
    check_san(draft, &san)?;
    give_up_uplinks(draft, AdapterKind::Vhba, &san.name, &san.uplinks)?;
    draft.put(san);
    Ok(())
}

fn check_san(draft: &Draft<'_>, san: &San) -> Result<(), Rejection> {
    san.check().map_err(|SanProblem { field, problem }| invalid(&format!("san.{field}"), problem))?;
    check_directors(draft, "san", &san.uplinks)
}

/// Names of network devices on the directors.
fn check_devices(resource: &str, uplinks: &BTreeMap<Name, String>) -> Result<(), Rejection> {
    for (director, device) in uplinks {
        let field = format!("{resource}.uplinks[{director}]");
        check_text(&field, device, MAX_VNIC_NAME)?;
        if device.contains('/') || device == "." || device == ".." {
            return Err(invalid(&field, format!("'{device}' is no name of a network device")));
        }
    }
    Ok(())
}

fn check_directors<P>(draft: &Draft<'_>, resource: &str, uplinks: &BTreeMap<Name, P>) -> Result<(), Rejection> {
    uplinks.keys().try_for_each(|director| {
        draft.refer::<Director>(director, || format!("{resource}.uplinks[{director}]")).map(drop)
    })
}

/// A director that loses its uplink can be no home and no successor any more: homes must have gone before.
fn give_up_uplinks<P>(
    draft: &mut Draft<'_>,
    kind: AdapterKind,
    cloud: &Name,
    uplinks: &BTreeMap<Name, P>,
) -> Result<(), Rejection> {
    let loses = |director: &Name| !uplinks.contains_key(director);
    let concerned = |profile: &Profile| {
        profile
            .adapters()
            .find(|it| it.kind == kind && it.cloud == cloud && it.home.director.as_ref().is_some_and(loses))
            .and_then(|it| it.home.director.clone())
    };
    if let Some(director) = draft.all::<Profile>().find_map(concerned) {
        let mut paths = draft.all::<Profile>().flat_map(|profile| {
            paths_of_homes(profile, |it, home| it.kind == kind && it.cloud == cloud && *home == director)
        });
        let adapter = paths.next().unwrap_or_default();
        let others = paths.count();
        let field = format!("{}.uplinks[{director}]", if kind == AdapterKind::Vnic { "lan" } else { "san" });
        return Err(Rejection::UplinkInUse { field, director: director.clone(), adapter, others });
    }
    drop_successors(draft, |it, successor| it.kind == kind && it.cloud == cloud && loses(successor))
}
