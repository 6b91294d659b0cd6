//! The configuration: one TOML file for a director, one for a server. What is not set has a default that is written
//! here; a key that is not known is an error, so that a typo never passes for a setting.

mod director;
mod rail;
mod server;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use twinrail_datapath::RailsConfig;
use twinrail_datapath::rail::RailKind;
use twinrail_proto::domain::{MAX_DIRECTORS, Name, RailAddresses};

pub use director::{DirectorConfig, InitialDirector, Listen};
pub use rail::{Carrier, RailChoice, Verbs, VerbsRail, rail_kinds};
pub use server::{KnownDirector, ServerConfig, SocketMode, VhbaSettings};

/// The TCP port on which directors serve each other and the agents, on both rails.
pub const INTERNAL_PORT: u16 = 7402;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {path} is not valid:\n{source}")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the configuration {path} is not valid: {field}: {problem}")]
    Invalid { path: PathBuf, field: String, problem: String },
}

/// What is wrong with one setting; the path of the file is added by [`load`].
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub field: String,
    pub problem: String,
}

impl Problem {
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// Checks what TOML's types cannot.
pub trait Check {
    fn check(&self) -> Result<(), Problem>;
}

pub fn load<T: DeserializeOwned + Check>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let config: T = toml::from_str(&text)
        .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
    config.check().map_err(|Problem { field, problem }| ConfigError::Invalid {
        path: path.to_owned(),
        field,
        problem,
    })?;
    Ok(config)
}

/// This machine's address on each rail.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rails {
    pub a: IpAddr,
    pub b: IpAddr,
}

impl Rails {
    pub fn addresses(&self) -> RailAddresses {
        RailAddresses { a: self.a, b: self.b }
    }
}

/// How fast the cluster notices and forgives. The same on every machine of a cluster.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// A hello goes out on every path this often.
    pub hello_interval_ms: u64,
    /// A path is down after so many hellos that did not come.
    pub missed_hellos: u32,
    /// A director is lost when both its paths have been down for so long.
    pub director_lost_after_ms: u64,
    /// How long a director carries without hearing from a quorum.
    pub lease_ms: u64,
    /// How long a planned move waits for the old server's agent to say that it let go.
    pub release_timeout_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hello_interval_ms: 10,
            missed_hellos: 3,
            director_lost_after_ms: 80,
            lease_ms: 1500,
            release_timeout_ms: 1000,
        }
    }
}

impl Timing {
    pub fn hello_interval(&self) -> Duration {
        Duration::from_millis(self.hello_interval_ms)
    }

    pub fn director_lost_after(&self) -> Duration {
        Duration::from_millis(self.director_lost_after_ms)
    }

    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub fn release_timeout(&self) -> Duration {
        Duration::from_millis(self.release_timeout_ms)
    }

    fn check(&self) -> Result<(), Problem> {
        if !(1..=1000).contains(&self.hello_interval_ms) {
            return Err(Problem::new("timing.hello_interval_ms", "must be 1 to 1000"));
        }
        if !(2..=100).contains(&self.missed_hellos) {
            return Err(Problem::new("timing.missed_hellos", "must be 2 to 100"));
        }
        if self.director_lost_after_ms < self.hello_interval_ms * u64::from(self.missed_hellos) {
            return Err(Problem::new(
                "timing.director_lost_after_ms",
                "must be at least hello_interval_ms × missed_hellos: a path that is not known to be down cannot be lost",
            ));
        }
        if self.lease_ms < 10 * self.director_lost_after_ms || self.lease_ms > 60_000 {
            return Err(Problem::new(
                "timing.lease_ms",
                "must be at least ten times director_lost_after_ms (an election must fit into a lease) and at most 60000",
            ));
        }
        Ok(())
    }
}

/// Where traces go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// OTLP over gRPC, as `http://collector:4317`. Not set: no traces are exported.
    pub otlp_endpoint: Option<String>,
    /// What is logged to standard error, as in `RUST_LOG`.
    pub log: Option<String>,
    /// JSON lines instead of text.
    pub log_json: bool,
}

/// Faults on this machine's rails, and a record of what passed: for trying a cluster, not for running one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trial {
    /// First and last frame of each adapter and epoch are recorded in this file, which survives a killed process.
    pub flight_recorder: Option<PathBuf>,
    /// A director that takes a vHBA over does not reset its LUNs: for proving that the tests notice. It loses data.
    pub skip_fence: bool,
}

/// What the datapath of either kind of machine must know of its rails.
pub fn rails_config(cluster: &str, addresses: RailAddresses, kinds: [RailKind; 2], timing: &Timing) -> RailsConfig {
    RailsConfig {
        kinds,
        hello_interval: timing.hello_interval(),
        missed_hellos: timing.missed_hellos,
        ..RailsConfig::new(cluster, addresses)
    }
}

fn check_cluster(cluster: &str) -> Result<(), Problem> {
    Name::new(cluster).map(|_| ()).map_err(|error| Problem::new("cluster", error.to_string()))
}

/// Names, ids and addresses in a list of directors must differ, and the list must have one to nine.
fn check_directors<'a>(
    directors: impl ExactSizeIterator<Item = (&'a Name, Option<u64>, IpAddr, IpAddr)>,
) -> Result<(), Problem> {
    if directors.len() == 0 || directors.len() > MAX_DIRECTORS {
        return Err(Problem::new("directors", format!("1 to {MAX_DIRECTORS} must be listed, not {}", directors.len())));
    }
    let (mut names, mut ids, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for (name, id, a, b) in directors {
        if names.contains(&name) {
            return Err(Problem::new("directors.name", format!("{name} is listed twice")));
        }
        if id.is_some_and(|id| ids.contains(&id) || id == 0) {
            return Err(Problem::new(
                "directors.id",
                format!("{} ({name}) is zero or used by another director too", id.unwrap_or_default()),
            ));
        }
        for (rail, address) in [("rail_a", a), ("rail_b", b)] {
            if addresses.contains(&address) {
                return Err(Problem::new(format!("directors.{rail}"), format!("{address} ({name}) is listed twice")));
            }
            addresses.push(address);
        }
        names.push(name);
        ids.extend(id);
    }
    Ok(())
}
