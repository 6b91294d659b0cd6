//! What directors are told of a vHBA.

use std::collections::BTreeMap;
use std::path::PathBuf;

use twinrail_datapath::disks::{Counts, DiskState, Path};
use twinrail_proto::domain::{AdapterId, DirectorId, Name};
use twinrail_proto::grpc::internal::v1 as wire;

use super::exports::Place;
use super::keeper::Told;

pub fn device(
    adapter: AdapterId,
    told: &Told,
    path: &Path,
    counts: Counts,
    names: &BTreeMap<DirectorId, Name>,
) -> wire::device_report::Device {
    let problem = [&path.problem, &told.problem].into_iter().find(|it| !it.is_empty()).cloned().unwrap_or_default();
    let no_place = Place::default();
    let luns = told.disks.iter().map(|(&lun, state)| self::lun(lun, state, told.places.get(&lun).unwrap_or(&no_place)));
    wire::device_report::Device {
        adapter: adapter.0,
        problem,
        luns: luns.collect(),
        vhba: Some(vhba_path(path, counts, names)),
    }
}

fn lun(lun: u16, state: &DiskState, place: &Place) -> wire::Lun {
    let DiskState { generation: _, unit, confirmed: _, problem } = state;
    let Place { socket, device, problem: place_problem } = place;
    let text = |path: &Option<PathBuf>| path.as_ref().map_or_else(String::new, |it| it.display().to_string());
    let facts = unit.as_ref().map(|it| &it.facts);
    wire::Lun {
        lun: lun.into(),
        octets: facts.map_or(0, |it| it.export("").size),
        block_length: facts.map_or(0, |it| it.block_length),
        export: text(socket),
        device: text(device),
        problem: [problem, place_problem].into_iter().find(|it| !it.is_empty()).cloned().unwrap_or_default(),
        read_only: facts.is_some_and(|it| it.write_protected),
        product: unit.as_ref().map_or_else(String::new, |it| it.product.clone()),
    }
}

fn vhba_path(path: &Path, counts: Counts, names: &BTreeMap<DirectorId, Name>) -> wire::VhbaPath {
    let Path { attached, refusal, problem: _ } = path;
    let Counts { held, commands, read_octets, written_octets, replayed, errors } = counts;
    let director = attached.and_then(|(home, _)| names.get(&home.director)).map_or_else(String::new, Name::to_string);
    wire::VhbaPath {
        director,
        rail: attached.map_or(0, |(_, rail)| rail.index() as u32),
        refusal: refusal.clone(),
        held,
        commands,
        read_octets,
        written_octets,
        replayed,
        errors,
    }
}
