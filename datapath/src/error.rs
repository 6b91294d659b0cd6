use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use twinrail_proto::domain::{AdapterId, Epoch, Name, Rail};

/// Why a datapath did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot open the rail at {address}, UDP port {port}")]
    OpenRail { address: IpAddr, port: u16, source: io::Error },
    #[error("cannot open the rail at {address} over RDMA verbs")]
    OpenVerbs { address: IpAddr, source: io::Error },
    #[error("cannot set up the waiting of a datapath thread")]
    Wait { source: io::Error },
    #[error("cannot start a datapath thread")]
    Thread { source: io::Error },
    #[error("cannot map the flight recorder {path:?}")]
    Recorder { path: PathBuf, source: io::Error },
    #[error("{path:?} is no flight recorder of this version")]
    ForeignRecorder { path: PathBuf },
}

/// Why an uplink or a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("cannot open the LAN port {device:?}")]
    OpenPort { device: String, source: io::Error },
    #[error("the device name {name:?} has {length} characters; the kernel allows 15")]
    LongName { name: String, length: usize },
    #[error("a device named {name:?} exists already and is not ours")]
    NameTaken { name: String },
    #[error("cannot make the device {name:?}")]
    MakeDevice { name: String, source: io::Error },
    #[error("cannot set address, MTU and queue of the device {name:?}")]
    Configure { name: String, source: io::Error },
    #[error("cannot wait for frames of {what:?}")]
    Watch { what: String, source: io::Error },
}

/// What of a table could not be put in force. The rest of it is.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("LAN {lan}: {source}")]
    Port { lan: Name, source: EdgeError },
    #[error("adapter {adapter}: {source}")]
    Device { adapter: AdapterId, source: EdgeError },
    #[error("{first} and {second} have the same address {address} on rail {rail}; the first keeps it")]
    SameAddress { first: Name, second: Name, rail: Rail, address: IpAddr },
    #[error("adapter {adapter} is on LAN {lan}, which is not in the table")]
    UnknownLan { adapter: AdapterId, lan: Name },
    #[error("adapter {adapter} belongs to {machine}, which is not in the table")]
    UnknownPeer { adapter: AdapterId, machine: Name },
    #[error("adapters {first} and {second} have the same MAC on one VLAN; the first gets the frames")]
    SameMac { first: AdapterId, second: AdapterId },
    #[error("adapter {adapter} is in the table twice; the first entry counts")]
    SameAdapter { adapter: AdapterId },
    #[error("the flight recorder is full; adapter {adapter}, epoch {epoch} is not recorded")]
    RecorderFull { adapter: AdapterId, epoch: Epoch },
    #[error("the datapath threads did not take the table over within {0:?}")]
    NotAdopted(std::time::Duration),
}
