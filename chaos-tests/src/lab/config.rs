//! The configuration files that the lab writes for each machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use twinrail_proto::domain::{DirectorRole, Rail};

use super::layout::{Layout, MachineKind};
use super::rdma;
use super::remnants::LabId;
use super::setting::setting;

/// The name of every lab's cluster.
pub const CLUSTER: &str = "lab";
pub const API_PORT: u16 = 7_400;
pub const METRICS_PORT: u16 = 7_401;

/// In a server's data folder: what its agent makes for its vHBAs.
const DISKS_FOLDER: &str = "disks";

#[derive(Serialize)]
struct DirectorFile<'a> {
    cluster: &'a str,
    name: &'a str,
    data_dir: PathBuf,
    rails: Rails,
    #[serde(skip_serializing_if = "Option::is_none")]
    rail: Option<Carriers>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    verbs: BTreeMap<String, Verbs>,
    directors: Vec<Founder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<Trial>,
    #[serde(flatten)]
    extra: toml::Table,
}

#[derive(Serialize)]
struct ServerFile<'a> {
    cluster: &'a str,
    name: &'a str,
    state_dir: PathBuf,
    rails: Rails,
    #[serde(skip_serializing_if = "Option::is_none")]
    rail: Option<Carriers>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    verbs: BTreeMap<String, Verbs>,
    directors: Vec<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<Trial>,
    #[serde(flatten)]
    extra: toml::Table,
}

#[derive(Serialize)]
struct Trial {
    flight_recorder: PathBuf,
}

#[derive(Serialize)]
struct Rails {
    a: String,
    b: String,
}

/// What carries frames on each rail; not said where both are UDP.
#[derive(Serialize)]
struct Carriers {
    a: &'static str,
    b: &'static str,
}

/// Which RDMA device of the machine is on a rail.
#[derive(Serialize)]
struct Verbs {
    device: String,
    port: u8,
    gid_index: u8,
    receives: u16,
}

#[derive(Serialize)]
struct Founder {
    name: String,
    id: u8,
    role: DirectorRole,
    rail_a: String,
    rail_b: String,
    api: String,
}

#[derive(Serialize)]
struct Contact {
    name: String,
    rail_a: String,
    rail_b: String,
}

/// Where a machine's flight recorder writes: beside its data folder, which may be full, or go.
pub fn flight_file(run_dir: &Path, machine: &str) -> PathBuf {
    run_dir.join(format!("{machine}.flight"))
}

/// Writes the machine's file into the run folder and gives its path. The data folder is `<run folder>/<name>`.
pub fn write(layout: &Layout, id: &LabId, name: &str, kind: MachineKind) -> Result<PathBuf> {
    let run_dir = id.run_dir();
    let data = run_dir.join(name);
    std::fs::create_dir_all(&data).with_context(|| format!("could not create {}", data.display()))?;
    let path = run_dir.join(format!("{name}.toml"));
    let text = render(layout, id, name, kind)?;
    std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

fn render(layout: &Layout, id: &LabId, name: &str, kind: MachineKind) -> Result<String> {
    let run_dir = id.run_dir();
    let data = run_dir.join(name);
    let address = |rail| Ok::<_, anyhow::Error>(rail_address(layout, kind, rail)?.to_string());
    let rails = Rails { a: address(Rail::A)?, b: address(Rail::B)? };
    let (rail, verbs) = (carriers(layout), verbs(layout, id, name));
    let trial = layout.flight_recorder.then(|| Trial { flight_recorder: flight_file(&run_dir, name) });
    let text = match kind {
        MachineKind::Director { .. } => {
            let directors = founders(layout)?;
            let extra = with_timing(layout.director_extra.clone());
            toml::to_string(&DirectorFile {
                cluster: CLUSTER,
                name,
                data_dir: data,
                rails,
                rail,
                verbs,
                directors,
                trial,
                extra,
            })
        }
        _ => {
            let directors = founders(layout)?.into_iter().map(Contact::from).collect();
            let extra = with_timing(server_extra(layout, &data));
            toml::to_string(&ServerFile {
                cluster: CLUSTER,
                name,
                state_dir: data,
                rails,
                rail,
                verbs,
                directors,
                trial,
                extra,
            })
        }
    };
    text.with_context(|| format!("could not write the configuration of {name} as TOML"))
}

fn carriers(layout: &Layout) -> Option<Carriers> {
    let carrier = |rail| if layout.verbs.contains(&rail) { "verbs" } else { "udp" };
    (!layout.verbs.is_empty()).then(|| Carriers { a: carrier(Rail::A), b: carrier(Rail::B) })
}

fn verbs(layout: &Layout, id: &LabId, name: &str) -> BTreeMap<String, Verbs> {
    let device = |rail: &Rail| Verbs {
        device: rdma::device(id, name, *rail),
        port: rdma::PORT,
        gid_index: rdma::GID_INDEX,
        receives: rdma::RECEIVES,
    };
    layout.verbs.iter().map(|rail| (rail.to_string().to_lowercase(), device(rail))).collect()
}

/// The setting's times; what the layout says of time comes first.
fn with_timing(mut extra: toml::Table) -> toml::Table {
    let mut timing = setting().timing();
    if let Some(toml::Value::Table(given)) = extra.remove("timing") {
        timing.extend(given);
    }
    if !timing.is_empty() {
        extra.insert("timing".to_owned(), timing.into());
    }
    extra
}

/// What the layout adds, and with a SAN the folder of the disks' sockets: the usual one would be that of all servers here.
fn server_extra(layout: &Layout, data: &Path) -> toml::Table {
    let mut extra = layout.server_extra.clone();
    if layout.san {
        let vhba = extra.entry("vhba").or_insert_with(|| toml::Table::new().into());
        let folder = data.join(DISKS_FOLDER).display().to_string();
        vhba.as_table_mut().map(|it| it.entry("run_dir").or_insert(folder.into()));
    }
    extra
}

fn founders(layout: &Layout) -> Result<Vec<Founder>> {
    let founder = |(name, kind): (String, MachineKind)| match kind {
        MachineKind::Director { id, role } => Some(founder(layout, name, id, role)),
        _ => None,
    };
    layout.machines().into_iter().filter_map(founder).collect()
}

fn founder(layout: &Layout, name: String, id: u8, role: DirectorRole) -> Result<Founder> {
    let kind = MachineKind::Director { id, role };
    let (a, b) = (rail_address(layout, kind, Rail::A)?, rail_address(layout, kind, Rail::B)?);
    let api = SocketAddr::new(a, API_PORT).to_string();
    Ok(Founder { name, id, role, rail_a: a.to_string(), rail_b: b.to_string(), api })
}

impl From<Founder> for Contact {
    fn from(Founder { name, id: _, role: _, rail_a, rail_b, api: _ }: Founder) -> Self {
        Self { name, rail_a, rail_b }
    }
}

fn rail_address(layout: &Layout, kind: MachineKind, rail: Rail) -> Result<IpAddr> {
    layout.rail_address(kind, rail).with_context(|| format!("{kind:?} is not on rail {rail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> LabId {
        LabId::parse("0a1b2c").unwrap()
    }

    fn parsed(name: &str) -> toml::Table {
        let mut layout = Layout::default();
        let timing: toml::Table = "[timing]\nlease_ms = 900".parse().unwrap();
        layout.director_extra = timing;
        let kind = layout.machines().into_iter().find(|(n, _)| n == name).unwrap().1;
        render(&layout, &id(), name, kind).unwrap().parse().unwrap()
    }

    #[test]
    fn a_director_gets_all_founders_and_its_own_rails() {
        let file = parsed("d2");
        assert_eq!(file["name"].as_str(), Some("d2"));
        assert_eq!(file["rails"]["b"].as_str(), Some("10.72.1.2"));
        assert_eq!(file["directors"].as_array().unwrap().len(), 3);
        assert_eq!(file["directors"][2]["role"].as_str(), Some("active"));
        assert_eq!(file["directors"][0]["api"].as_str(), Some("10.71.1.1:7400"));
        assert_eq!(file["timing"]["lease_ms"].as_integer(), Some(900));
    }

    #[test]
    fn each_server_of_a_lab_with_a_san_has_a_folder_for_its_disks() {
        let mut layout = Layout { san: true, ..Layout::default() };
        layout.server_extra = "[vhba]\ndevice_nodes = true".parse().unwrap();
        let render = |layout: &Layout| {
            let text = render(layout, &id(), "s1", MachineKind::Server { index: 1 }).unwrap();
            text.parse::<toml::Table>().unwrap()["vhba"].clone()
        };
        let vhba = render(&layout);
        assert_eq!(
            (vhba["run_dir"].as_str(), vhba["device_nodes"].as_bool()),
            (Some("/tmp/twinrail-lab/0a1b2c/s1/disks"), Some(true))
        );
    }

    #[test]
    fn a_rail_that_is_rdma_names_its_device() {
        let layout = Layout { verbs: vec![Rail::B], ..Layout::default() };
        let kind = layout.machines()[1].1;
        let file: toml::Table = render(&layout, &id(), "d2", kind).unwrap().parse().unwrap();
        let verbs = file["verbs"].as_table().unwrap();
        assert_eq!((verbs.len(), verbs["b"]["device"].as_str()), (1, Some("0a1b2c-d2-B")));
        assert_eq!((file["rail"]["a"].as_str(), file["rail"]["b"].as_str()), (Some("udp"), Some("verbs")));
        assert!(parsed("d2").get("rail").is_none() && parsed("d2").get("verbs").is_none());
    }

    #[test]
    fn a_server_gets_the_directors_without_their_roles() {
        let file = parsed("s1");
        assert_eq!(file["rails"]["a"].as_str(), Some("10.71.1.101"));
        assert_eq!(file["directors"].as_array().unwrap().len(), 3);
        assert!(file["directors"][0].get("role").is_none());
    }
}
