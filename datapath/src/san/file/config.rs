use std::collections::BTreeMap;
use std::path::PathBuf;

use twinrail_proto::domain::Wwn;

/// What a SAN of files has, and to whom it shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSanConfig {
    pub disks: Vec<DiskConfig>,
    /// For each WWPN that may log in: its LUNs, by plain number, and the name of the disk behind each.
    pub masks: BTreeMap<Wwn, BTreeMap<u16, String>>,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// 1 to 64 printable ASCII characters; also its serial number, and what its world-wide designator is made from. Keep
    /// it unique among all the SANs that one server sees.
    pub name: String,
    /// Made when it is not there; grown when it is smaller.
    pub path: PathBuf,
    /// A multiple of the block length.
    pub octets: u64,
    /// 512 or 4096.
    pub block_length: u32,
}
