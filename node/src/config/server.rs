use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use twinrail_proto::domain::{Name, RailAddresses};

use super::{Check, Problem, Rails, Telemetry, Timing, Trial, check_cluster, check_directors};

/// `twinrail server --config FILE`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The cluster's name.
    pub cluster: String,
    /// The server's name in the cluster.
    pub name: Name,
    /// Where the agent keeps which machine it is.
    pub state_dir: PathBuf,
    pub rails: Rails,
    /// Directors to start with; the agent learns of the others from them.
    pub directors: Vec<KnownDirector>,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub telemetry: Telemetry,
    #[serde(default)]
    pub trial: Trial,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDirector {
    pub name: Name,
    pub rail_a: IpAddr,
    pub rail_b: IpAddr,
}

impl KnownDirector {
    pub fn rails(&self) -> RailAddresses {
        RailAddresses { a: self.rail_a, b: self.rail_b }
    }
}

impl Check for ServerConfig {
    fn check(&self) -> Result<(), Problem> {
        check_cluster(&self.cluster)?;
        check_directors(self.directors.iter().map(|it| (&it.name, None, it.rail_a, it.rail_b)))?;
        self.timing.check()
    }
}
