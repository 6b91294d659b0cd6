//! The device nodes of one vHBA: a file for each LUN, and a loop device on it.
//!
//! ```text
//!   /dev/loopN ── loop driver, direct I/O ──▶ FOLDER/disks/twinrail-MACHINE-ADAPTER-lunM ── FUSE ──▶ BlockDevice
//! ```
//!
//! Names of files and mounts carry this machine's id, so that what a killed agent left is found, and nothing else is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use twinrail_datapath::disks::{DiskState, Vhba};
use twinrail_proto::domain::AdapterId;

use super::files::{Files, Shown};
use super::loops;

/// The largest block of a loop device: a page.
const LARGEST_BLOCK: u32 = 4096;

/// What names of this machine begin with.
pub fn prefix(machine_id: &str) -> String {
    format!("twinrail-{machine_id}-")
}

pub struct Nodes {
    /// Of names, with the adapter.
    prefix: String,
    folder: PathBuf,
    files: Option<Files>,
    devices: BTreeMap<u16, (u64, PathBuf)>,
    problems: BTreeMap<u16, String>,
}

impl Nodes {
    pub fn new(machine_id: &str, adapter: AdapterId, folder: &Path) -> Self {
        let prefix = format!("{}{}", prefix(machine_id), adapter.0);
        let (devices, problems) = (BTreeMap::new(), BTreeMap::new());
        Self { prefix, folder: folder.join("disks"), files: None, devices, problems }
    }

    /// Makes and removes what it takes. What did not work is tried again by the next call.
    pub fn follow(&mut self, disks: &BTreeMap<u16, DiskState>, vhba: &Vhba) {
        let stays = |lun: &u16, generation: u64| disks.get(lun).is_some_and(|it| it.generation == generation);
        let gone: Vec<u16> = self.devices.iter().filter(|(lun, it)| !stays(lun, it.0)).map(|(lun, _)| *lun).collect();
        gone.into_iter().for_each(|lun| self.remove(lun));
        self.problems.clear();
        for (&lun, state) in disks {
            if state.unit.is_some() && !self.devices.contains_key(&lun) {
                match self.make(lun, state, vhba) {
                    Ok(device) => _ = self.devices.insert(lun, (state.generation, device)),
                    Err(problem) => _ = self.problems.insert(lun, problem),
                }
            }
        }
    }

    pub fn device(&self, lun: u16) -> Option<&Path> {
        self.devices.get(&lun).map(|it| it.1.as_path())
    }

    pub fn problem(&self, lun: u16) -> Option<&str> {
        self.problems.get(&lun).map(String::as_str)
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Lets all devices go. What the kernel still has for them is written first.
    pub fn close(&mut self) {
        let luns: Vec<u16> = self.devices.keys().copied().collect();
        luns.into_iter().for_each(|lun| self.remove(lun));
    }

    fn make(&mut self, lun: u16, state: &DiskState, vhba: &Vhba) -> Result<PathBuf, String> {
        let Some(unit) = &state.unit else { return Err(state.problem.clone()) };
        let block = unit.facts.block_length;
        if block > LARGEST_BLOCK {
            return Err(format!("no loop device has blocks of {block} octets; attach the export instead"));
        }
        if self.files.is_none() {
            let mounted = Files::mount(&self.folder, &self.prefix);
            self.files = Some(mounted.map_err(|error| format!("cannot mount {:?}: {error}", self.folder))?);
        }
        let Some(files) = &self.files else { unreachable!("it was mounted just now") };
        let export = unit.facts.export("");
        let shown = Shown {
            generation: state.generation,
            name: format!("{}-lun{lun}", self.prefix),
            size: export.size,
            read_only: export.read_only,
            device: vhba.disk(lun, state.generation),
        };
        let file = files.show(lun, shown);
        match loops::attach(&file, block, export.read_only) {
            Ok(device) => {
                tracing::info!(lun, ?device, "a device node is there");
                Ok(device)
            }
            Err(error) => {
                files.hide(lun, state.generation);
                Err(error.to_string())
            }
        }
    }

    fn remove(&mut self, lun: u16) {
        let Some((generation, device)) = self.devices.remove(&lun) else { return };
        match loops::detach(&device) {
            Ok(()) => tracing::info!(lun, ?device, "a device node goes"),
            Err(error) => tracing::warn!(lun, ?device, %error, "a device node does not go"),
        }
        if let Some(files) = &self.files {
            files.hide(lun, generation);
        }
    }
}
