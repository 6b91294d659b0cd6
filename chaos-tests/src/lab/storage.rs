//! A cluster with a SAN: the array, one profile with one vHBA on a server, and its disks as the server has them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::array::{Array, Slowness};
use super::cluster::Home;
use super::scenario::eventually;
use super::{Cli, Lab, Layout};

/// The profile, its vHBA and the SAN that it is on.
pub const PROFILE: &str = "db-1";
pub const VHBA: &str = "db-1/hba0";
pub const SAN: &str = "disks";
/// The target of that SAN.
pub const TARGET: &str = "disks";
/// A vHBA's disks are there within this after it was deployed or moved.
const DISKS_WITHIN: Duration = Duration::from_secs(30);
const MEBIBYTE: u64 = 1 << 20;

/// A vHBA as the API tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Vhba {
    /// `profiles/{profile}/vhbas/{vhba}`
    pub name: String,
    pub wwpn: String,
    pub home: Home,
    pub session: Option<Session>,
    pub luns: Vec<LunView>,
    pub path: Option<Path>,
}

/// What its home says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    pub phase: String,
    pub problem: String,
    pub luns: Vec<u32>,
    /// Of the fence that it came by: each phase and how long it took.
    pub phases: Vec<Phase>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Phase {
    pub phase: String,
    pub ms: String,
}

/// A disk as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LunView {
    pub lun: u32,
    pub octets: String,
    pub export: PathBuf,
    pub device: PathBuf,
    pub problem: String,
}

/// The way from the server to the home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Path {
    pub director: String,
    pub refusal: String,
    pub errors: String,
}

impl Default for Vhba {
    fn default() -> Self {
        let (name, wwpn, home) = Default::default();
        Self { name, wwpn, home, session: None, luns: Vec::new(), path: None }
    }
}

impl Vhba {
    /// The director that carries it; empty: nobody.
    pub fn home(&self) -> &str {
        self.home.director.rsplit('/').next().unwrap_or_default()
    }

    pub fn epoch(&self) -> Result<u64> {
        let epoch = &self.home.epoch;
        epoch.parse().with_context(|| format!("{} has an epoch that is no number: {epoch:?}", self.name))
    }

    /// Its home is alive at the array, and commands pass.
    pub fn is_admitted(&self) -> bool {
        self.session.as_ref().is_some_and(|it| it.phase == "admitted" && it.problem.is_empty())
    }

    /// The phases of the last fence, for people: `login 3, reset 40`, in ms.
    pub fn fence(&self) -> String {
        let phases = self.session.iter().flat_map(|it| &it.phases);
        phases.map(|it| format!("{} {}", it.phase, it.ms)).collect::<Vec<_>>().join(", ")
    }

    fn disk(&self, lun: u32) -> Option<&LunView> {
        self.luns.iter().find(|it| it.lun == lun && it.problem.is_empty() && !it.export.as_os_str().is_empty())
    }
}

impl Cli {
    /// One vHBA, with what its home and its server say of it.
    pub fn vhba(&self, name: &str) -> Result<Vhba> {
        let value = self.json(&format!("vhba show {name}"))?;
        serde_json::from_value(value).context("`vhba show` prints something else than a vHBA")
    }

    /// Waits until a vHBA is as it should be.
    pub fn wait_for_vhba(&self, name: &str, patience: Duration, holds: impl Fn(&Vhba) -> bool) -> Result<Vhba> {
        let mut last = None;
        let found = eventually(patience, &format!("the vHBA {name}"), || {
            // A director that has just lost its leader does not answer for a moment.
            let seen = self.vhba(name);
            let fits = seen.as_ref().is_ok_and(&holds);
            let seen = last.insert(seen);
            Ok(seen.as_ref().ok().filter(|_| fits).cloned())
        });
        found.with_context(|| format!("last seen: {last:?}"))
    }
}

/// A lab with a SAN and a cluster in it.
pub struct Storage {
    pub lab: Lab,
    pub array: Array,
}

impl Storage {
    /// A cluster that runs, an array with disks of these LUNs and MiB, and the profile on s1 with a vHBA that has them.
    pub fn deployed(layout: Layout, slowness: Option<Slowness>, luns: &[(u16, u64)]) -> Result<Self> {
        let mut lab = Lab::build(Layout { san: true, ..layout })?;
        match Self::deploy_in(&mut lab, slowness, luns) {
            Ok(array) => Ok(Self { lab, array }),
            Err(error) => {
                lab.keep_logs();
                Err(error)
            }
        }
    }

    /// The same in a lab that is there already.
    fn deploy_in(lab: &mut Lab, slowness: Option<Slowness>, luns: &[(u16, u64)]) -> Result<Array> {
        let cli = lab.start_cluster()?;
        let array = add_array(lab, &cli, slowness, luns)?;
        cli.run(&format!("profile deploy {PROFILE} --server s1"))?;
        for (lun, _) in luns {
            lab.export(&cli, *lun)?;
        }
        Ok(array)
    }

    /// Runs a check, and keeps the logs when it fails.
    pub fn check<T>(mut self, check: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = check(&mut self);
        if result.is_err() {
            self.lab.keep_logs();
        }
        result
    }

    pub fn cli(&self) -> Result<Cli> {
        self.lab.any_cli()
    }
}

/// Starts an array in a lab whose cluster runs, makes its target the SAN, and the profile with a vHBA that it admits.
pub fn add_array(lab: &Lab, cli: &Cli, slowness: Option<Slowness>, luns: &[(u16, u64)]) -> Result<Array> {
    let mut array = Array::start(lab, slowness)?;
    let luns: Vec<(u16, u64)> = luns.iter().map(|(lun, mebibytes)| (*lun, mebibytes * MEBIBYTE)).collect();
    array.add_target(TARGET, &luns)?;
    for line in storage_lines(&array) {
        cli.run(&line)?;
    }
    let wwpn = cli.vhba(VHBA)?.wwpn;
    ensure!(!wwpn.is_empty(), "{VHBA} has no WWPN");
    array.admit(TARGET, &wwpn)?;
    Ok(array)
}

/// The commands that make the SAN, the pool of names and the profile.
pub fn storage_lines(array: &Array) -> [String; 3] {
    [
        format!("san create {SAN} --port {}", array.uri(TARGET)),
        "pool create wwns --wwn-range 50:01:43:80:00:00:00:00-50:01:43:80:00:00:ff:ff".to_owned(),
        format!("profile create {PROFILE} --vhba hba0,san={SAN},wwn-pool=wwns"),
    ]
}

impl Lab {
    /// Waits until the server has the disk and its home admits commands: the unix socket of its NBD export.
    pub fn export(&self, cli: &Cli, lun: u16) -> Result<PathBuf> {
        self.export_of(cli, VHBA, lun)
    }

    pub fn export_of(&self, cli: &Cli, vhba: &str, lun: u16) -> Result<PathBuf> {
        let there = |vhba: &Vhba| vhba.is_admitted() && vhba.disk(lun.into()).is_some_and(|it| it.export.exists());
        let found = cli.wait_for_vhba(vhba, DISKS_WITHIN, there)?;
        Ok(found.disk(lun.into()).context("the disk has gone")?.export.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_tells_is_understood() {
        let text = r#"{"name":"profiles/db-1/vhbas/hba0","wwpn":"50:01:43:80:00:00:00:01",
            "home":{"director":"directors/d2","epoch":"7"},"session":{"phase":"admitted","luns":[0,1]},
            "luns":[{"lun":1,"octets":"1048576","export":"/run/x"},{"problem":"no answer","lun":2,"export":"/run/y"}],
            "path":{"director":"directors/d2","rail":"A","errors":"0"}}"#;
        let vhba: Vhba = serde_json::from_str(text).unwrap();
        assert_eq!((vhba.home(), vhba.epoch().unwrap(), vhba.is_admitted()), ("d2", 7, true));
        assert_eq!(vhba.disk(1).unwrap().export, PathBuf::from("/run/x"));
        assert_eq!(vhba.disk(2), None, "it has a problem");
    }
}
