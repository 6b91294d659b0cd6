use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use twinrail_proto::domain::{Name, RailAddresses};

use super::rail::check_rails;
use super::{Check, Problem, RailChoice, Rails, Telemetry, Timing, Trial, Verbs, check_cluster, check_directors};

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
    #[serde(default)]
    pub rail: RailChoice,
    #[serde(default)]
    pub verbs: Verbs,
    /// Directors to start with; the agent learns of the others from them.
    pub directors: Vec<KnownDirector>,
    #[serde(default)]
    pub timing: Timing,
    #[serde(default)]
    pub vhba: VhbaSettings,
    #[serde(default)]
    pub telemetry: Telemetry,
    #[serde(default)]
    pub trial: Trial,
}

/// How the LUNs of this server's vHBAs are offered to its programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VhbaSettings {
    /// Exports are sockets `PROFILE/VHBA/lunN.sock` in here.
    pub run_dir: PathBuf,
    /// How long I/O waits for a director that carries the vHBA before it fails.
    pub io_timeout_s: u64,
    /// Whether each LUN is a block device as well: a loop device on a file that the agent serves.
    pub device_nodes: bool,
    /// Who may connect to an export: permissions of its socket, in octal.
    pub socket_mode: SocketMode,
}

impl Default for VhbaSettings {
    fn default() -> Self {
        Self { run_dir: "/run/twinrail".into(), io_timeout_s: 60, device_nodes: false, socket_mode: SocketMode(0o600) }
    }
}

/// Permissions of a file; text: octal digits, as `chmod` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SocketMode(pub u32);

impl TryFrom<String> for SocketMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octal = text.bytes().all(|it| it.is_ascii_digit()).then(|| u32::from_str_radix(&text, 8).ok()).flatten();
        let mode = octal.filter(|it| *it <= 0o777);
        mode.map(Self).ok_or_else(|| format!("{text:?} is no mode of a file; write octal digits, as in \"0600\""))
    }
}

impl VhbaSettings {
    fn check(&self) -> Result<(), Problem> {
        if !self.run_dir.is_absolute() {
            return Err(Problem::new("vhba.run_dir", format!("{:?} is not an absolute path", self.run_dir)));
        }
        if !(1..=86_400).contains(&self.io_timeout_s) {
            return Err(Problem::new("vhba.io_timeout_s", "must be 1 to 86400 (a day)"));
        }
        Ok(())
    }
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
        check_rails(self.rail, &self.verbs)?;
        check_directors(self.directors.iter().map(|it| (&it.name, None, it.rail_a, it.rail_b)))?;
        self.vhba.check()?;
        self.timing.check()
    }
}
