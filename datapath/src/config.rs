use std::path::PathBuf;
use std::time::Duration;

use twinrail_proto::domain::RailAddresses;
use twinrail_proto::rail::UDP_RAIL_PORT;

use crate::rail::RailKind;
use crate::rail::chaos::Faults;

/// What both kinds of datapath need to know.
#[derive(Clone, Debug)]
pub struct RailsConfig {
    /// The cluster's id: messages of other clusters are dropped.
    pub cluster: String,
    /// This machine's addresses.
    pub addresses: RailAddresses,
    pub port: u16,
    /// What carries rail A and rail B.
    pub kinds: [RailKind; 2],
    pub hello_interval: Duration,
    /// A path is down when so many hellos in a row are missing.
    pub missed_hellos: u32,
    /// Faults to inject, for tests of a real process.
    pub faults: Option<Faults>,
}

impl RailsConfig {
    pub const DEFAULT_HELLO_INTERVAL: Duration = Duration::from_millis(10);
    pub const DEFAULT_MISSED_HELLOS: u32 = 3;

    pub fn new(cluster: impl Into<String>, addresses: RailAddresses) -> Self {
        Self {
            cluster: cluster.into(),
            addresses,
            port: UDP_RAIL_PORT,
            kinds: Default::default(),
            hello_interval: Self::DEFAULT_HELLO_INTERVAL,
            missed_hellos: Self::DEFAULT_MISSED_HELLOS,
            faults: None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct DirectorConfig {
    pub rails: RailsConfig,
    /// Where to keep the flight recorder; None: none is kept.
    pub recorder: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub rails: RailsConfig,
    pub recorder: Option<PathBuf>,
}
