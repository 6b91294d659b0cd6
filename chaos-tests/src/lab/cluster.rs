//! A cluster in the lab as its operator sees it: started, asked and changed through the command line.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::{Cli, Lab, setting};

/// A cluster that has just been started elects its first leader within this.
pub const ELECTS_WITHIN: Duration = Duration::from_secs(10);
/// Servers attach and devices appear within this.
pub const APPEARS_WITHIN: Duration = Duration::from_secs(10);

/// A vNIC as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vnic {
    /// `profiles/{profile}/vnics/{vnic}`
    pub name: String,
    pub mac: String,
    #[serde(default)]
    pub home: Home,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    #[serde(default)]
    pub director: String,
    /// Protobuf's JSON has 64-bit numbers as strings.
    #[serde(default)]
    pub epoch: String,
}

impl Vnic {
    pub fn profile(&self) -> &str {
        self.name.split('/').nth(1).unwrap_or_default()
    }

    pub fn device(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// The name of the director that carries it; empty: nobody.
    pub fn home(&self) -> &str {
        last_segment(&self.home.director)
    }

    pub fn epoch(&self) -> Result<u64> {
        self.home
            .epoch
            .parse()
            .with_context(|| format!("{} has an epoch that is no number: {:?}", self.name, self.home))
    }
}

/// What `cluster show` tells.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    #[serde(default)]
    pub leader: String,
    #[serde(default)]
    pub directors: Vec<DirectorView>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectorView {
    pub director: String,
    #[serde(default)]
    pub alive: bool,
    #[serde(default)]
    pub voter: bool,
    #[serde(default)]
    pub adapters: u32,
}

impl ClusterView {
    pub fn leader(&self) -> &str {
        last_segment(&self.leader)
    }

    pub fn is_alive(&self, director: &str) -> bool {
        self.directors.iter().any(|it| last_segment(&it.director) == director && it.alive && it.voter)
    }
}

impl Cli {
    pub fn vnics(&self) -> Result<Vec<Vnic>> {
        let mut vnics: Vec<Vnic> =
            serde_json::from_value(self.json("vnic list")?).context("`vnic list` prints something else than vNICs")?;
        vnics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(vnics)
    }

    pub fn vnic(&self, profile: &str, device: &str) -> Result<Vnic> {
        let found = self.vnics()?.into_iter().find(|vnic| vnic.profile() == profile && vnic.device() == device);
        found.with_context(|| format!("there is no vNIC {profile}/{device}"))
    }

    pub fn cluster(&self) -> Result<ClusterView> {
        parse_cluster(self.json("cluster show")?)
    }

    /// Who leads; after a fault the asked director may not know it for a moment.
    pub fn leader(&self) -> Result<String> {
        Ok(self.wait_for_cluster(ELECTS_WITHIN, |cluster| !cluster.leader.is_empty())?.leader().to_owned())
    }

    /// Waits until the cluster is as it should be.
    pub fn wait_for_cluster(&self, patience: Duration, holds: impl Fn(&ClusterView) -> bool) -> Result<ClusterView> {
        let line = "cluster show";
        let answer =
            self.wait_until(line, patience, |value| parse_cluster(value.clone()).is_ok_and(|it| holds(&it)))?;
        parse_cluster(answer)
    }

    /// Waits until every vNIC has a home that is alive.
    pub fn wait_for_homes(&self, patience: Duration) -> Result<Vec<Vnic>> {
        let end = std::time::Instant::now() + setting::patience(patience);
        loop {
            let (vnics, cluster) = (self.vnics()?, self.cluster()?);
            if vnics.iter().all(|vnic| cluster.is_alive(vnic.home())) {
                return Ok(vnics);
            }
            ensure!(std::time::Instant::now() < end, "not every vNIC has a living home: {vnics:?}, {cluster:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Lab {
    /// Starts everything and waits until all directors vote and one leads.
    pub fn start_cluster(&mut self) -> Result<Cli> {
        self.start_all()?;
        let cli = self.wait_for_directors()?;
        let servers = self.layout.servers.len();
        cli.wait_until("server list", APPEARS_WITHIN, |list| list.as_array().is_some_and(|it| it.len() >= servers))?;
        Ok(cli)
    }

    /// Starts the directors alone, and waits until all vote and one leads: no agent says hello to them.
    pub fn start_directors(&mut self) -> Result<Cli> {
        self.layout.director_names().iter().try_for_each(|name| self.start(name))?;
        self.wait_for_directors()
    }

    fn wait_for_directors(&self) -> Result<Cli> {
        let names = self.layout.director_names();
        let cli = self.cli(names.first().context("a lab without directors")?)?;
        cli.wait_for_cluster(ELECTS_WITHIN, |cluster| {
            !cluster.leader.is_empty() && names.iter().all(|name| cluster.is_alive(name))
        })?;
        Ok(cli)
    }

    /// Waits until a device is there and up on a server.
    pub fn wait_for_device(&self, server: &str, device: &str) -> Result<()> {
        let namespace = self.namespace(server)?;
        let end = std::time::Instant::now() + setting::patience(APPEARS_WITHIN);
        let there = || namespace.script(&format!("ip -brief link show dev {device} up | grep -q ."));
        while let Err(error) = there() {
            ensure!(std::time::Instant::now() < end, "{server} has no device {device} that is up: {error:#}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn parse_cluster(value: Value) -> Result<ClusterView> {
    serde_json::from_value(value).context("`cluster show` prints something else than a cluster")
}

fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_tells_is_understood() {
        let text = r#"{"name":"profiles/web-1/vnics/eth0","mac":"02:54:57:00:00:01","mtu":1500,
                       "home":{"director":"directors/d2","epoch":"7","successors":["directors/d1"]}}"#;
        let vnic: Vnic = serde_json::from_str(text).unwrap();
        assert_eq!((vnic.profile(), vnic.device(), vnic.home(), vnic.epoch().unwrap()), ("web-1", "eth0", "d2", 7));
        let text = r#"{"leader":"directors/d1","directors":[{"director":"directors/d1","alive":true,"voter":true},
                       {"director":"directors/d2"}]}"#;
        let cluster: ClusterView = serde_json::from_str(text).unwrap();
        assert_eq!(cluster.leader(), "d1");
        assert!(cluster.is_alive("d1") && !cluster.is_alive("d2") && !cluster.is_alive("d3"));
    }
}
