//! A director whose store is damaged refuses to start, names the way back, and is a voter that carries again when exactly that
//! way was gone. Nothing that was acknowledged is lost by it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::lab::config::API_PORT;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{RETURNS_WITHIN, Scenario, eventually};
use twinrail_chaos_tests::lab::{Cli, Layout};
use twinrail_proto::domain::Rail;

const VICTIM: &str = "d2";
const NEW_ID: u8 = 4;
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// One octet in so many is damaged: every record of the store has some.
const STRIDE: usize = 61;

/// What the error must say, in the order in which it is done.
const WAY_BACK: [&str; 6] =
    ["twinrail director remove", "move the directory", "new id", "twinrail director add", "join = true", "lan update"];

#[test]
fn a_damaged_store_is_refused_and_the_way_back_works() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2"])?.check(|scenario| {
        let cli = scenario.lab.cli("d1")?;
        let mut written = write_pools(&cli, "before")?;
        scenario.lab.power_cut(VICTIM)?;
        scenario.wait_for_answers()?;
        let data = scenario.lab.run_dir().join(VICTIM);
        damage(&data.join("sled/db"))?;

        scenario.lab.power_on(VICTIM)?;
        let status = scenario.lab.wait_for_end(VICTIM, DONE_WITHIN)?;
        ensure!(!status.success(), "it ended as if all were well");
        let log = scenario.lab.log(VICTIM)?;
        let error = log.rsplit_once("twinrail: ").context("it gave no error at its end")?.1;
        ensure!(error.contains("is damaged") && error.contains(&data.display().to_string()), "another error: {error}");
        let places: Option<Vec<usize>> = WAY_BACK.iter().map(|step| error.find(step)).collect();
        ensure!(places.is_some_and(|it| it.is_sorted()), "the error does not say {WAY_BACK:?} in this order: {error}");
        written.extend(write_pools(&cli, "meanwhile")?);

        follow_the_way_back(scenario, &cli, &data)?;
        // A director that is not reached yet gets nothing: an operator would ask again.
        eventually(DONE_WITHIN, "a home on the director that is back", || {
            cli.run("cluster rebalance")?;
            Ok(scenario.homes()?.iter().any(|home| home == VICTIM).then_some(()))
        })?;
        scenario.wait_for_answers()?;
        same_state(&cli, &scenario.lab.cli(VICTIM)?)?;

        // Without its vote there is no quorum now, and what it answers it must have itself.
        let windows = scenario.lose_director("d1")?;
        println!("d1 lost after {VICTIM} came back: {windows:?}");
        everything_is_there(&scenario.lab.cli(VICTIM)?, &written)?;
        scenario.lab.check_flights().map(drop)
    })
}

/// As the error says, step by step.
fn follow_the_way_back(scenario: &mut Scenario, cli: &Cli, data: &Path) -> Result<()> {
    cli.run(&format!("director remove {VICTIM}"))?;
    std::fs::rename(data, data.with_extension("damaged"))?;
    let kind = scenario.lab.machine(VICTIM)?.kind;
    let address = |rail| kind.rail_address(rail).context("the director is not on both rails");
    let (a, b) = (address(Rail::A)?, address(Rail::B)?);
    cli.run(&format!("director add {VICTIM} --id {NEW_ID} --rail-a {a} --rail-b {b} --api {a}:{API_PORT}"))?;
    scenario.lab.start_with(VICTIM, join_under_a_new_id)?;
    cli.run(&format!("lan update prod --uplink {VICTIM}=lan0"))?;
    cli.wait_for_cluster(RETURNS_WITHIN, |cluster| cluster.is_alive(VICTIM)).map(drop)
}

fn join_under_a_new_id(configuration: &mut toml::Table) {
    configuration.insert("join".to_owned(), true.into());
    let directors = configuration["directors"].as_array_mut().expect("the configuration lists directors");
    let own = directors.iter_mut().find(|it| it["name"].as_str() == Some(VICTIM)).expect("it is among them");
    own["id"] = i64::from(NEW_ID).into();
}

/// Flips a bit in one octet of every stretch.
fn damage(file: &Path) -> Result<()> {
    let mut bytes = std::fs::read(file).with_context(|| format!("no database at {}", file.display()))?;
    bytes.iter_mut().step_by(STRIDE).for_each(|byte| *byte ^= 0x10);
    std::fs::write(file, bytes).with_context(|| format!("could not damage {}", file.display()))
}

/// Changes that were acknowledged, by the names of what they made.
fn write_pools(cli: &Cli, when: &str) -> Result<Vec<String>> {
    let base = if when == "before" { 0x10 } else { 0x20 };
    let create = |number: u8| {
        let (name, octet) = (format!("{when}-{number}"), base + number);
        let range = format!("02:54:58:{octet:02x}:00:00-02:54:58:{octet:02x}:00:ff");
        cli.run(&format!("pool create {name} --mac-range {range}"))?;
        Ok(format!("pools/{name}"))
    };
    (0..10).map(create).collect()
}

/// The two directors have the same state at the same revision.
fn same_state(one: &Cli, other: &Cli) -> Result<()> {
    eventually(DONE_WITHIN, "the same state on both", || {
        let line = "cluster show --state-hash";
        let (one, other) = (one.json(line)?, other.json(line)?);
        let same =
            ["stateRevision", "stateHash"].iter().all(|field| !one[field].is_null() && one[field] == other[field]);
        Ok(same.then_some(()))
    })
}

fn everything_is_there(cli: &Cli, written: &[String]) -> Result<()> {
    let pools = cli.json("pool list")?;
    let names: Vec<&str> =
        pools.as_array().context("no list of pools")?.iter().filter_map(|it| it["name"].as_str()).collect();
    let lost: Vec<_> = written.iter().filter(|name| !names.contains(&name.as_str())).collect();
    ensure!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
    Ok(())
}
