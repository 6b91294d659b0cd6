//! Directors that do not belong: a second machine with the id of one that is alive, and a director of another cluster. Both are
//! refused with an error that names the setting, on both sides, and the cluster does not notice otherwise.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use twinrail_chaos_tests::lab::config::API_PORT;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, eventually};
use twinrail_chaos_tests::lab::{Cli, Lab, Layout};
use twinrail_proto::domain::Rail;

/// The machine on which the stranger runs: known to the directors as a server.
const KNOWN: &str = "s4";
/// An address of which they never heard.
const UNKNOWN: u8 = 199;
/// The director whose place the stranger takes in its own configuration.
const VICTIM: &str = "d2";
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// Long enough for several elections, had one begun.
const LATER: Duration = Duration::from_secs(2);

#[test]
fn a_second_machine_with_the_id_of_a_living_director_is_refused() -> Result<()> {
    for address in [None, Some(UNKNOWN)] {
        refused(address, |_| {}, &["another machine has this `id`"])?;
    }
    Ok(())
}

#[test]
fn a_second_machine_that_wants_to_join_under_a_taken_id_is_refused() -> Result<()> {
    let join = |configuration: &mut toml::Table| drop(configuration.insert("join".to_owned(), true.into()));
    refused(None, join, &["another machine has this `id`"])
}

#[test]
fn a_director_of_another_cluster_is_refused() -> Result<()> {
    let other = |configuration: &mut toml::Table| drop(configuration.insert("cluster".to_owned(), "other".into()));
    refused(None, other, &["check `cluster` in the configuration", "speaks on our rail and is not heard"])
}

/// Starts a stranger, waits until both ends say the first of these words and a director the others, and checks that no more
/// than that has happened.
fn refused(address: Option<u8>, edit: impl FnOnce(&mut toml::Table), words: &[&str]) -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1", "s2"])?.check(|scenario| {
        let cli = scenario.lab.cli("d1")?;
        let before = standing(&cli)?;
        scenario.lab.kill(KNOWN)?;
        let file = configuration(&scenario.lab, address, edit)?;
        scenario.lab.start_as(KNOWN, "director", &file)?;
        eventually(TOLD_WITHIN, "the stranger says why it is refused", || {
            let log = scenario.lab.log(KNOWN)?;
            Ok(log
                .lines()
                .any(|line| line.contains("this director is refused") && line.contains(words[0]))
                .then_some(()))
        })?;
        eventually(TOLD_WITHIN, "a director says whom it refuses", || {
            let log = scenario.lab.log("d1")?;
            Ok(words.iter().all(|word| log.contains(word)).then_some(()))
        })?;
        std::thread::sleep(LATER);
        ensure!(standing(&cli)? == before, "the stranger changed something: {before:?} became {:?}", standing(&cli)?);
        ensure!(scenario.lab.is_running(VICTIM)?, "the director whose id was claimed has ended");
        scenario.wait_for_answers()?;
        scenario.lab.check_flights().map(drop)
    })
}

/// The configuration of [`VICTIM`] on another machine, with that machine's addresses.
fn configuration(lab: &Lab, address: Option<u8>, edit: impl FnOnce(&mut toml::Table)) -> Result<PathBuf> {
    let text = std::fs::read_to_string(lab.run_dir().join(format!("{VICTIM}.toml")))?;
    let mut table: toml::Table = text.parse().context("the configuration is no TOML")?;
    table.remove("trial");
    table.insert("data_dir".to_owned(), lab.run_dir().join("stranger").display().to_string().into());
    let [a, b] = rails(lab, address)?;
    table["rails"] =
        toml::Table::from_iter([("a".to_owned(), a.clone().into()), ("b".to_owned(), b.clone().into())]).into();
    let directors = table["directors"].as_array_mut().context("no list of directors")?;
    let own = directors.iter_mut().find(|it| it["name"].as_str() == Some(VICTIM)).context("it is not listed")?;
    own["api"] = format!("{a}:{API_PORT}").into();
    (own["rail_a"], own["rail_b"]) = (a.into(), b.into());
    edit(&mut table);
    let path = lab.run_dir().join("stranger.toml");
    std::fs::write(&path, table.to_string())?;
    Ok(path)
}

/// The addresses of the stranger's machine; it is given others first where they are asked for.
fn rails(lab: &Lab, address: Option<u8>) -> Result<[String; 2]> {
    let kind = lab.machine(KNOWN)?.kind;
    let [a, b] = Rail::ALL.map(|rail| kind.rail_address(rail).context("the machine is not on both rails"));
    let (mut a, mut b) = (a?.to_string(), b?.to_string());
    if let Some(last) = address {
        for (device, text) in [("railA", &mut a), ("railB", &mut b)] {
            let network = text.rsplit_once('.').context("no IPv4 address")?.0;
            *text = format!("{network}.{last}");
            lab.namespace(KNOWN)?.script(&format!("ip addr flush dev {device}; ip addr add {text}/24 dev {device}"))?;
        }
    }
    Ok([a, b])
}

/// What a disturbance would change: the term and the leader, who is alive, and every home with its epoch.
fn standing(cli: &Cli) -> Result<(Value, Value, Vec<bool>, Value)> {
    let cluster = cli.json("cluster show")?;
    let alive = cli.cluster()?;
    let alive = ["d1", "d2", "d3"].map(|name| alive.is_alive(name)).to_vec();
    Ok((cluster["term"].clone(), cluster["leader"].clone(), alive, cli.json("vnic list")?))
}
