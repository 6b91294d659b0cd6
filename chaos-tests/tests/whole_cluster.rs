//! All power is lost at once: what was acknowledged is there again, with the same MACs and later epochs, and the servers
//! get their cards back by themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Layout, cluster::ELECTS_WITHIN};

#[test]
fn everything_is_there_after_all_power_was_lost() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1", "s2", "s3"])?;
    scenario.check(|scenario| {
        let names: Vec<String> = scenario.lab.layout.directors.iter().map(|(name, _)| name.clone()).collect();
        let servers = scenario.lab.layout.servers.clone();
        let before = scenario.cli()?.wait_for_homes(Duration::from_secs(5))?;
        for name in names.iter().chain(&servers) {
            scenario.lab.power_cut(name)?;
        }
        for name in servers.iter().chain(&names) {
            scenario.lab.power_on(name)?;
        }
        let cli = scenario.cli()?;
        cli.wait_for_cluster(ELECTS_WITHIN, |cluster| names.iter().all(|name| cluster.is_alive(name)))?;
        let after = cli.wait_for_homes(ELECTS_WITHIN)?;
        ensure!(
            before.len() == after.len() && after.len() == 6,
            "{} vNICs were there, {} are",
            before.len(),
            after.len()
        );
        for (before, after) in before.iter().zip(&after) {
            ensure!((&before.name, &before.mac) == (&after.name, &after.mac), "{before:?} became {after:?}");
            ensure!(after.epoch()? >= before.epoch()?, "the epoch of {} went back", after.name);
        }
        let macs: BTreeSet<&String> = after.iter().map(|vnic| &vnic.mac).collect();
        ensure!(macs.len() == after.len(), "two adapters have the same MAC: {after:?}");
        for card in &cards {
            let (server, device) = (&card.server, card.vnic.device());
            scenario.lab.wait_for_device(server, device)?;
            ensure!(scenario.lab.mac_of(server, device)? == card.vnic.mac, "{server}'s {device} has another MAC");
            let address = scenario.lab.dhcp(server, device).context("after the power came back")?;
            ensure!(address == card.address, "{server}'s {device} had {} and got {address}", card.address);
        }
        scenario.lab.check_flights().map(drop)
    })
}
