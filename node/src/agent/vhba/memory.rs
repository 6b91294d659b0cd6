//! What an agent remembers of its vHBAs over a restart: which there are, and what their LUNs said of themselves. So exports
//! are there again before any director is. One small JSON file for each vHBA; one that cannot be read is only noted, since
//! the next discovery writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinrail_datapath::disks::Unit;
use twinrail_datapath::nbd::scsi::{UnitFacts, Unmap, WriteSame};
use twinrail_datapath::scsi::Lun;
use twinrail_proto::domain::{AdapterId, Name};

use super::Assigned;
use crate::agent::memory::replace;

const FOLDER: &str = "vhbas";

/// A vHBA as it was when the agent stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub assigned: Assigned,
    pub units: BTreeMap<u16, Unit>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path:?}: {source}")]
pub struct LunMemoryError {
    operation: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// The folder of these files.
#[derive(Clone, Debug)]
pub struct LunMemory {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    profile: Name,
    name: Name,
    mask: BTreeSet<u16>,
    luns: BTreeMap<u16, StoredUnit>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUnit {
    identity: String,
    product: String,
    /// As [`Lun`] writes itself.
    address: String,
    block_length: u32,
    blocks: u64,
    largest_transfer: u32,
    force_unit_access: bool,
    write_cache: bool,
    write_protected: bool,
    rotational: bool,
    largest_unmap: Option<u32>,
    largest_write_same: Option<u32>,
    write_same_unmaps: bool,
}

impl LunMemory {
    pub fn open(state_dir: &Path) -> Result<Self, LunMemoryError> {
        let folder = state_dir.join(FOLDER);
        match std::fs::create_dir_all(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(source) => Err(LunMemoryError { operation: "create", path: folder, source }),
        }
    }

    pub fn read_all(&self) -> BTreeMap<AdapterId, Remembered> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named =
            entries.filter_map(|it| Some((it.path(), it.file_name().to_str()?.strip_suffix(".json")?.parse().ok()?)));
        named.filter_map(|(path, adapter)| Some((AdapterId(adapter), read(&path)?))).collect()
    }

    /// Durable when it returns.
    pub fn write(&self, adapter: AdapterId, remembered: &Remembered) -> Result<(), LunMemoryError> {
        let Remembered { assigned: Assigned { profile, name, mask }, units } = remembered;
        let luns = units.iter().map(|(&lun, unit)| (lun, unit.into())).collect();
        let stored = Stored { profile: profile.clone(), name: name.clone(), mask: mask.clone(), luns };
        let text = serde_json::to_vec_pretty(&stored).expect("names and numbers make JSON");
        replace(&self.folder, &file(adapter), &text).map_err(|(operation, source)| LunMemoryError {
            operation,
            path: self.folder.join(file(adapter)),
            source,
        })
    }

    pub fn forget(&self, adapter: AdapterId) -> Result<(), LunMemoryError> {
        let path = self.folder.join(file(adapter));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(LunMemoryError { operation: "remove", path, source })
            }
            _ => Ok(()),
        }
    }
}

fn file(adapter: AdapterId) -> String {
    format!("{}.json", adapter.0)
}

fn read(path: &Path) -> Option<Remembered> {
    let text = std::fs::read(path).map_err(|error| tracing::warn!(?path, %error, "a vHBA is not remembered")).ok()?;
    let stored = serde_json::from_slice(&text);
    let stored: Stored = stored.map_err(|error| tracing::warn!(?path, %error, "a vHBA is not remembered")).ok()?;
    let Stored { profile, name, mask, luns } = stored;
    let units = luns.into_iter().filter_map(|(lun, unit)| Some((lun, unit.into_unit()?))).collect();
    Some(Remembered { assigned: Assigned { profile, name, mask }, units })
}

impl From<&Unit> for StoredUnit {
    fn from(unit: &Unit) -> Self {
        let Unit { facts, identity, product } = unit;
        let UnitFacts {
            lun,
            block_length,
            blocks,
            largest_transfer,
            force_unit_access,
            write_cache,
            write_protected,
            rotational,
            unmap,
            write_same,
        } = facts;
        Self {
            identity: identity.clone(),
            product: product.clone(),
            address: lun.to_string(),
            block_length: *block_length,
            blocks: *blocks,
            largest_transfer: *largest_transfer,
            force_unit_access: *force_unit_access,
            write_cache: *write_cache,
            write_protected: *write_protected,
            rotational: *rotational,
            largest_unmap: unmap.map(|it| it.largest),
            largest_write_same: write_same.map(|it| it.largest),
            write_same_unmaps: write_same.is_some_and(|it| it.unmaps),
        }
    }
}

impl StoredUnit {
    /// None: the file was changed by hand, or its disk lies.
    fn into_unit(self) -> Option<Unit> {
        let blocks = self.block_length;
        let sound = blocks.is_power_of_two() && (512..=1 << 16).contains(&blocks) && self.largest_transfer > 0;
        let fits = self.blocks.checked_mul(blocks.into()).is_some();
        let lun: Lun = self.address.parse().ok().filter(|_| sound && fits)?;
        let facts = UnitFacts {
            lun,
            block_length: self.block_length,
            blocks: self.blocks,
            largest_transfer: self.largest_transfer,
            force_unit_access: self.force_unit_access,
            write_cache: self.write_cache,
            write_protected: self.write_protected,
            rotational: self.rotational,
            unmap: self.largest_unmap.filter(|it| *it > 0).map(|largest| Unmap { largest }),
            write_same: self
                .largest_write_same
                .filter(|it| *it > 0)
                .map(|largest| WriteSame { largest, unmaps: self.write_same_unmaps }),
        };
        Some(Unit { facts, identity: self.identity, product: self.product })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered {
        let facts = UnitFacts {
            lun: Lun::new(300).unwrap(),
            block_length: 512,
            blocks: 64,
            largest_transfer: 8,
            force_unit_access: true,
            write_cache: true,
            write_protected: false,
            rotational: true,
            unmap: Some(Unmap { largest: 5 }),
            write_same: Some(WriteSame { largest: 6, unmaps: true }),
        };
        let unit = Unit { facts, identity: "naa.3".into(), product: "A B".into() };
        let assigned = Assigned { profile: "web".parse().unwrap(), name: "fc0".parse().unwrap(), mask: [300].into() };
        Remembered { assigned, units: [(300, unit)].into() }
    }

    /// As it lies on the disks of servers today: an agent of tomorrow must read it.
    const GOLDEN: &str = r#"{
  "profile": "web",
  "name": "fc0",
  "mask": [
    300
  ],
  "luns": {
    "300": {
      "identity": "naa.3",
      "product": "A B",
      "address": "300",
      "block_length": 512,
      "blocks": 64,
      "largest_transfer": 8,
      "force_unit_access": true,
      "write_cache": true,
      "write_protected": false,
      "rotational": true,
      "largest_unmap": 5,
      "largest_write_same": 6,
      "write_same_unmaps": true
    }
  }
}"#;

    #[test]
    fn the_file_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let memory = LunMemory::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("vhbas/7.json"), GOLDEN).unwrap();
        assert_eq!(memory.read_all(), [(AdapterId(7), remembered())].into());
        memory.write(AdapterId(8), &remembered()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("vhbas/8.json")).unwrap(), GOLDEN);
    }

    #[test]
    fn what_was_written_is_read_and_what_is_forgotten_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let memory = LunMemory::open(folder.path()).unwrap();
        memory.write(AdapterId(7), &remembered()).unwrap();
        assert_eq!(memory.read_all(), [(AdapterId(7), remembered())].into());
        memory.forget(AdapterId(7)).unwrap();
        memory.forget(AdapterId(7)).unwrap();
        assert!(memory.read_all().is_empty());
    }

    #[test]
    fn what_cannot_be_read_or_makes_no_sense_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let memory = LunMemory::open(folder.path()).unwrap();
        memory.write(AdapterId(7), &remembered()).unwrap();
        let path = folder.path().join("vhbas/7.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"block_length\": 512", "\"block_length\": 0")).unwrap();
        assert!(memory.read_all()[&AdapterId(7)].units.is_empty());
        std::fs::write(&path, "{").unwrap();
        std::fs::write(folder.path().join("vhbas/x.json"), text).unwrap();
        assert!(memory.read_all().is_empty());
    }
}
