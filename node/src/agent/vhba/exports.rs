//! The exports of one vHBA: each LUN that is known has one, and none has one that is not known any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twinrail_datapath::disks::{DiskState, Vhba};
use twinrail_datapath::nbd::{Offer, Server, ServerConfig};

use super::paths;
use crate::telemetry::error_text;

/// Clients of one export at one time: a virtual machine has one connection, or one for each of a few queues.
const CLIENTS: usize = 16;

#[derive(Default)]
pub struct Exports {
    open: BTreeMap<u16, Export>,
    /// Why a LUN has no export.
    problems: BTreeMap<u16, String>,
}

struct Export {
    generation: u64,
    server: Server,
}

/// What of a LUN is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub socket: Option<PathBuf>,
    /// The device node.
    pub device: Option<PathBuf>,
    pub problem: String,
}

impl Exports {
    /// Opens and closes what it takes. What did not work is tried again by the next call.
    pub fn follow(&mut self, disks: &BTreeMap<u16, DiskState>, vhba: &Vhba, folder: &Path, mode: u32) {
        let stays = |lun: &u16, export: &Export| disks.get(lun).is_some_and(|it| it.generation == export.generation);
        for (lun, export) in self.open.extract_if(.., |lun, export| !stays(lun, export)) {
            tracing::info!(lun, socket = ?export.server.path(), "an export goes");
        }
        self.problems.clear();
        for (&lun, state) in disks {
            if state.unit.is_some() && !self.open.contains_key(&lun) {
                match open(lun, state, vhba, folder, mode) {
                    Ok(export) => _ = self.open.insert(lun, export),
                    Err(problem) => _ = self.problems.insert(lun, problem),
                }
            }
        }
    }

    /// Closes all: clients are hung up on.
    pub fn close(&mut self) {
        self.open.clear();
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub fn socket(&self, lun: u16) -> Option<&Path> {
        self.open.get(&lun).map(|it| it.server.path())
    }

    pub fn problem(&self, lun: u16) -> Option<&str> {
        self.problems.get(&lun).map(String::as_str)
    }
}

fn open(lun: u16, state: &DiskState, vhba: &Vhba, folder: &Path, mode: u32) -> Result<Export, String> {
    let Some(unit) = &state.unit else { return Err(state.problem.clone()) };
    let path = paths::socket(folder, lun).map_err(|it| it.to_string())?;
    let generation = state.generation;
    let mut export = unit.facts.export(format!("lun{lun}"));
    export.description = format!("LUN {lun}: {} {}", unit.product, unit.identity).trim().to_owned();
    let offer = Offer { export, device: vhba.disk(lun, generation) };
    let config = ServerConfig { path, mode, owner: None, clients: CLIENTS };
    let server = Server::start(&config, vec![offer]).map_err(|it| error_text(&it))?;
    tracing::info!(lun, socket = ?server.path(), size = unit.facts.export("").size, "an export opens");
    Ok(Export { generation, server })
}
