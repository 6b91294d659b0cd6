use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use twinrail_proto::domain::{DirectorRole, Name, RailAddresses};

use super::rail::check_rails;
use super::{Check, Problem, RailChoice, Rails, Telemetry, Timing, Trial, Verbs, check_cluster, check_directors};

/// `twinrail director --config FILE`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorConfig {
    /// The cluster's name: machines of another cluster are refused.
    pub cluster: String,
    /// Which of the directors below this one is.
    pub name: Name,
    /// Where the replicated state is kept.
    pub data_dir: PathBuf,
    pub rails: Rails,
    #[serde(default)]
    pub rail: RailChoice,
    #[serde(default)]
    pub verbs: Verbs,
    /// The directors that found the cluster, this one among them: the same list on all of them. A director that joins a
    /// running cluster lists those that are there, and itself.
    pub directors: Vec<InitialDirector>,
    /// This director joins a cluster that runs already (`twinrail director add` was called there): it founds none.
    #[serde(default)]
    pub join: bool,
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub telemetry: Telemetry,
    #[serde(default)]
    pub trial: Trial,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialDirector {
    pub name: Name,
    pub id: u64,
    pub role: DirectorRole,
    pub rail_a: IpAddr,
    pub rail_b: IpAddr,
    /// The public API as clients reach it, `host:port`.
    pub api: String,
}

impl InitialDirector {
    pub fn rails(&self) -> RailAddresses {
        RailAddresses { a: self.rail_a, b: self.rail_b }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    pub api: SocketAddr,
    pub metrics: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { api: ([0, 0, 0, 0], 7400).into(), metrics: ([0, 0, 0, 0], 7401).into() }
    }
}

impl DirectorConfig {
    /// This director's own entry.
    pub fn own(&self) -> Option<&InitialDirector> {
        self.directors.iter().find(|it| it.name == self.name)
    }
}

impl Check for DirectorConfig {
    fn check(&self) -> Result<(), Problem> {
        check_cluster(&self.cluster)?;
        check_rails(self.rail, &self.verbs)?;
        check_directors(self.directors.iter().map(|it| (&it.name, Some(it.id), it.rail_a, it.rail_b)))?;
        let Some(own) = self.own() else {
            return Err(Problem::new("name", format!("{} is none of the listed directors", self.name)));
        };
        if own.rails() != self.rails.addresses() {
            return Err(Problem::new("rails", format!("differ from those listed for {}", self.name)));
        }
        if !self.join && self.directors.iter().all(|it| it.role == DirectorRole::Witness) {
            return Err(Problem::new("directors.role", "all are witnesses: nobody would carry adapters"));
        }
        self.timing.check()
    }
}
