//! What the command line says is done is in force: servers have their devices, drained directors are empty. What is not is
//! named, and the exit code tells it from a refusal.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Cli, Layout};

const NOT_IN_FORCE: &str = "exit status: 3";
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_profile_is_deployed_when_its_server_has_the_devices() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1"])?;
    scenario.check(|scenario| {
        let cli = scenario.cli()?;
        // Every machine has its `lo` already.
        cli.run("profile create odd --vnic lo,lan=prod,mac-pool=macs --vnic eth5,lan=prod,mac-pool=macs")?;
        let said = not_in_force(&cli, "profile deploy odd --server s2 --timeout 2s")?;
        ensure!(said.contains("server s2's agent cannot make odd/lo: "), "{said}");
        ensure!(!said.contains("eth5"), "eth5 is there: {said}");
        let devices = cli.json("vnic list --profile odd")?;
        let state = |vnic: usize| devices[vnic]["device"]["state"].as_str().unwrap_or_default().to_owned();
        ensure!((state(0), state(1)) == ("DEVICE_STATE_UP".into(), "DEVICE_STATE_FAILED".into()), "{devices}");
        cli.run("vnic delete odd/lo")?;
        cli.run("profile undeploy odd")?;

        scenario.lab.kill("s3")?;
        let said = not_in_force(&cli, "profile deploy odd --server s3 --timeout 2s")?;
        ensure!(said.contains("the agent of server s3 is not attached"), "{said}");
        scenario.lab.start("s3")?;
        cli.wait_until("vnic show odd/eth5", PATIENCE, |vnic| vnic["device"]["state"] == "DEVICE_STATE_UP")?;
        cli.run("profile move odd --server s2")?;
        scenario.lab.mac_of("s2", "eth5").map(drop)
    })
}

#[test]
fn a_director_is_drained_when_it_is_empty() -> Result<()> {
    let _turn = remnants::turn()?;
    let (scenario, _) = Scenario::deployed(Layout::default(), &["s1", "s2", "s3"])?;
    scenario.check(|scenario| {
        let cli = scenario.cli()?;
        let leader = cli.leader()?;
        let carried = carried_by(&cli, &leader)?;
        ensure!(carried > 0, "the leader carries nothing");
        let plan = cli.run(&format!("director drain {leader} --dry-run"))?;
        let moves = plan.lines().filter(|line| line.contains("/vnics/") && line.contains(" home ")).count();
        ensure!(moves == carried, "{carried} adapters on {leader}, and a plan of {moves} moves:\n{plan}");
        ensure!(plan.lines().any(|line| line.starts_with("cluster ") && line.contains("leader")), "{plan}");
        ensure!(carried_by(&cli, &leader)? == carried, "a dry run drained");

        cli.run(&format!("director drain {leader}"))?;
        ensure!(carried_by(&cli, &leader)? == 0, "{leader} is not empty");
        ensure!(cli.leader()? != leader, "{leader} leads");

        let others: Vec<String> =
            scenario.lab.layout.director_names().into_iter().filter(|name| *name != leader).collect();
        let [first, last] = &others[..] else { bail!("{others:?}") };
        cli.run(&format!("director drain {first}"))?;
        let said = not_in_force(&cli, &format!("director drain {last} --timeout 2s"))?;
        for vnic in cli.vnics()? {
            let name = format!("{}/{}", vnic.profile(), vnic.device());
            ensure!(said.contains(&name), "{name} is not named: {said}");
        }
        ensure!(said.contains("no other director can carry"), "{said}");
        ensure!(said.contains("still leads"), "{said}");
        Ok(())
    })
}

/// How many vNICs have this home.
fn carried_by(cli: &Cli, director: &str) -> Result<usize> {
    Ok(cli.vnics()?.iter().filter(|vnic| vnic.home() == director).count())
}

/// Runs a change that is committed and does not come into force; gives what was said.
fn not_in_force(cli: &Cli, line: &str) -> Result<String> {
    let Err(error) = cli.run(line) else { bail!("`{line}` says that it is done") };
    let said = format!("{error:#}");
    ensure!(said.contains(NOT_IN_FORCE), "`{line}`: {said}");
    Ok(said)
}
