//! The server agent: its devices are those that the cluster says, whatever it goes through itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::layout::LAN_HOST;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually};
use twinrail_chaos_tests::lab::{Lab, shell};

const DONE_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_restarted_agent_makes_the_same_devices_again() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        for power in [false, true] {
            if power {
                scenario.lab.power_cut("s1")?;
                scenario.lab.power_on("s1")?;
            } else {
                scenario.lab.kill("s1")?;
                scenario.lab.start("s1")?;
            }
            for card in &cards {
                scenario.lab.wait_for_device("s1", card.vnic.device())?;
                ensure!(scenario.lab.mac_of("s1", card.vnic.device())? == card.vnic.mac, "another MAC");
                let address = scenario.lab.dhcp("s1", card.vnic.device())?;
                ensure!(address == card.address, "{} had {} and got {address}", card.short_name(), card.address);
            }
        }
        Ok(())
    })
}

#[test]
fn devices_follow_the_profile() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let cli = scenario.cli()?;
        cli.run("vnic create web-1/eth2 --lan prod --mac-pool macs --mtu 1400")?;
        scenario.lab.wait_for_device("s1", "eth2")?;
        let link = scenario.lab.namespace("s1")?.script("ip link show dev eth2")?;
        ensure!(link.contains("mtu 1400"), "the MTU of the vNIC is not the device's: {link}");
        cli.run("vnic delete web-1/eth2")?;
        gone(&scenario.lab, "s1", "eth2")?;
        cli.run("profile undeploy web-1")?;
        gone(&scenario.lab, "s1", "eth0")?;
        gone(&scenario.lab, "s1", "eth1")
    })
}

#[test]
fn an_agent_goes_on_while_directors_come_and_go() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, cards) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        for director in scenario.lab.layout.director_names() {
            scenario.lab.power_cut(&director)?;
            ping(&scenario.lab, &cards[0].address.to_string()).with_context(|| format!("without {director}"))?;
            scenario.return_director(&director)?;
        }
        Ok(())
    })
}

fn gone(lab: &Lab, server: &str, device: &str) -> Result<()> {
    let what = format!("{device} goes away on {server}");
    eventually(DONE_WITHIN, &what, || Ok(lab.mac_of(server, device).is_err().then_some(())))
}

/// One answer within a second and a half.
fn ping(lab: &Lab, source: &str) -> Result<()> {
    let arguments = ["-c", "1", "-i", "0.1", "-w", "2", "-I", source, &LAN_HOST.to_string()];
    shell::run(&mut lab.namespace("s1")?.command(Path::new("ping"), &arguments)).map(drop)
}
