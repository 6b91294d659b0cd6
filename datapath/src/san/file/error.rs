use std::io;
use std::path::PathBuf;

use twinrail_proto::domain::Wwn;

/// Why a SAN of files could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum FileSanError {
    #[error("could not {operation} {path:?}")]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{0:?} is in use by another process; a SAN of files is not shared")]
    InUse(PathBuf),
    #[error("{path:?} has {found} octets, more than the {wanted} of its disk: to cut it would lose data")]
    Larger { path: PathBuf, found: u64, wanted: u64 },
    #[error("the disk {name:?} cannot have {octets} octets in blocks of {block_length}: {reason}")]
    Geometry { name: String, octets: u64, block_length: u32, reason: &'static str },
    #[error("the disk name {0:?} is not 1 to 64 printable ASCII characters")]
    Name(String),
    #[error("two disks are named {0:?}")]
    SameName(String),
    #[error("the mask of {wwpn} shows {name:?}, and there is no such disk")]
    UnknownDisk { wwpn: Wwn, name: String },
    #[error("the mask of {wwpn} shows {luns} LUNs; at most {limit} are possible")]
    TooManyLuns { wwpn: Wwn, luns: usize, limit: usize },
    #[error("the mask of {wwpn} has the LUN {lun}, which is above 16383")]
    Lun { wwpn: Wwn, lun: u16 },
    /// To go on without them could let two initiators write that had been kept apart.
    #[error("the kept reservations in {path:?} are damaged: {reason}")]
    DamagedReservations { path: PathBuf, reason: &'static str },
    #[error("could not start the thread of the disk {name:?}")]
    Thread { name: String, source: io::Error },
}
