//! What the demo, the lab tests and the benchmarks have in common: a cluster with a LAN, profiles on servers, their vNICs in
//! use, and traffic under observation on each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::card::{Card, Seen, Watched};
use super::cluster::APPEARS_WITHIN;
use super::probes::Window;
use super::{Cli, Lab, Layout, setting};
use crate::measure::clock::{self, Nanos};

/// The vNICs of each profile.
pub const DEVICES: [&str; 2] = ["eth0", "eth1"];
/// Traffic is watched for so long after a fault is over.
pub const AFTERMATH: Duration = Duration::from_millis(500);
/// A director that comes back is a voter that is alive within this.
pub const RETURNS_WITHIN: Duration = Duration::from_secs(20);

/// The commands that give the cluster a LAN, a pool of MACs, and a template `web` with two vNICs.
pub fn network_lines() -> [String; 3] {
    let vnics = DEVICES.map(|device| format!("--vnic {device},lan=prod,mac-pool=macs")).join(" ");
    [
        "lan create prod --port lan0".to_owned(),
        "pool create macs --mac-range 02:54:57:00:00:00-02:54:57:00:ff:ff".to_owned(),
        format!("template create web {vnics}"),
    ]
}

/// The commands that make a profile of that template and bind it to a server.
pub fn deploy_lines(profile: &str, server: &str) -> [String; 2] {
    [format!("profile create {profile} --template web"), format!("profile deploy {profile} --server {server}")]
}

/// A lab with a cluster in it, and the vNICs under observation.
pub struct Scenario {
    pub lab: Lab,
    pub watched: Vec<Watched>,
}

impl Scenario {
    pub fn new(lab: Lab) -> Self {
        Self { lab, watched: Vec::new() }
    }

    /// A cluster that runs, with the LAN, the pool and the template, and profile `web-<n>` on each of these servers that the
    /// layout has, its vNICs with addresses.
    pub fn deployed(layout: Layout, servers: &[&str]) -> Result<(Self, Vec<Card>)> {
        let mut lab = Lab::build(layout)?;
        let there = |name: &&&str| lab.layout.servers.iter().any(|it| it == **name);
        let servers: Vec<&str> = servers.iter().filter(there).copied().collect();
        let cards = Self::deploy_in(&mut lab, &servers)?;
        Ok((Self::new(lab), cards))
    }

    /// The same in a lab that is there already. Its logs stay when that fails.
    pub fn deploy_in(lab: &mut Lab, servers: &[&str]) -> Result<Vec<Card>> {
        let outcome = deploy(lab, servers);
        if outcome.is_err() {
            lab.keep_logs();
        }
        outcome
    }

    /// The same, with a prober and a TCP transfer on every vNIC.
    pub fn watched(layout: Layout, servers: &[&str]) -> Result<Self> {
        let (mut scenario, cards) = Self::deployed(layout, servers)?;
        scenario.watch(cards)?;
        Ok(scenario)
    }

    /// Runs a check, and keeps the logs when it fails.
    pub fn check<T>(mut self, check: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = check(&mut self);
        if result.is_err() {
            self.lab.keep_logs();
        }
        result
    }

    /// The command line on a director that runs.
    pub fn cli(&self) -> Result<Cli> {
        self.lab.any_cli()
    }

    /// Starts a prober and a TCP transfer on every vNIC, and waits until answers come.
    pub fn watch(&mut self, cards: Vec<Card>) -> Result<()> {
        let vnics = self.cli()?.wait_for_homes(APPEARS_WITHIN)?;
        for card in cards {
            let vnic = vnics.iter().find(|vnic| vnic.name == card.vnic.name);
            let vnic = vnic.with_context(|| format!("{} has gone", card.vnic.name))?.clone();
            self.watched.push(Watched::start(&self.lab, Card { vnic, ..card })?);
        }
        self.wait_for_answers()
    }

    pub fn wait_for_answers(&mut self) -> Result<()> {
        self.watched.iter_mut().try_for_each(Watched::wait_for_answers)
    }

    /// The present homes of the watched vNICs, in their order.
    pub fn homes(&self) -> Result<Vec<String>> {
        let vnics = self.cli()?.vnics()?;
        let home = |watched: &Watched| {
            let vnic = vnics.iter().find(|vnic| vnic.name == watched.card.vnic.name);
            Ok(vnic.with_context(|| format!("{} has gone", watched.card.vnic.name))?.home().to_owned())
        };
        self.watched.iter().map(home).collect()
    }

    /// What every watched vNIC saw from then until now, in their order.
    pub fn windows(&mut self, from: Nanos) -> Result<Vec<Window>> {
        let to = clock::now();
        self.watched.iter_mut().map(|watched| watched.window(from, to)).collect()
    }

    /// Cuts a director's power, waits until all traffic flows again and a little longer, and gives what every vNIC saw.
    pub fn lose_director(&mut self, director: &str) -> Result<Vec<Window>> {
        let at = self.lab.power_cut(director)?;
        self.wait_for_answers()?;
        std::thread::sleep(AFTERMATH);
        self.windows(at)
    }

    /// Gives a director its power back and waits until it votes.
    pub fn return_director(&mut self, director: &str) -> Result<()> {
        self.lab.power_on(director)?;
        self.cli()?.wait_for_cluster(RETURNS_WITHIN, |cluster| cluster.is_alive(director)).map(drop)
    }

    /// Ends the probers and transfers.
    pub fn finish(&mut self) -> Result<Vec<Seen>> {
        std::mem::take(&mut self.watched).into_iter().map(Watched::finish).collect()
    }
}

impl Lab {
    /// The command line on a director that runs.
    pub fn any_cli(&self) -> Result<Cli> {
        let names = self.layout.director_names();
        let runs = |name: &String| self.machine(name).is_ok_and(|machine| machine.process.is_some());
        self.cli(names.iter().find(|name| runs(name)).context("no director runs")?)
    }

    /// Gives a profile's vNICs their addresses, and checks that the devices have the MACs that the cluster says.
    pub fn address_cards(&self, profile: &str, server: &str) -> Result<Vec<Card>> {
        let cli = self.any_cli()?;
        let mut cards = Vec::new();
        for device in DEVICES {
            self.wait_for_device(server, device)?;
            let vnic = cli.vnic(profile, device)?;
            let mac = self.mac_of(server, device)?;
            ensure!(mac == vnic.mac, "{server}'s {device} has MAC {mac}, the cluster says {}", vnic.mac);
            let address = self.dhcp(server, device)?;
            cards.push(Card { vnic, server: server.to_owned(), address });
        }
        Ok(cards)
    }
}

fn deploy(lab: &mut Lab, servers: &[&str]) -> Result<Vec<Card>> {
    let cli = lab.start_cluster()?;
    network_lines().iter().try_for_each(|line| cli.run(line).map(drop))?;
    let profiles: Vec<(String, &str)> =
        (1..).map(|number| format!("web-{number}")).zip(servers.iter().copied()).collect();
    for (profile, server) in &profiles {
        deploy_lines(profile, server).iter().try_for_each(|line| cli.run(line).map(drop))?;
    }
    let cards = profiles.iter().map(|(profile, server)| lab.address_cards(profile, server));
    Ok(cards.collect::<Result<Vec<_>>>()?.concat())
}

/// The longest gap, in whole milliseconds, rounded up; 0 when there was none to tell.
pub fn longest_gap_ms<'a>(windows: impl IntoIterator<Item = &'a Window>) -> u64 {
    let gaps = windows.into_iter().map(|window| window.longest_gap.div_ceil(clock::MILLISECOND));
    gaps.max().unwrap_or(0)
}

/// Repeats a question until its answer is as it should be.
pub fn eventually<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let patience = setting::patience(patience);
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        ensure!(Instant::now() < end, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
