//! An acknowledged write is there whatever dies afterwards; one that was repeated with its request id acted once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tonic::transport::Channel;
use twinrail_chaos_tests::lab::api::Api;
use twinrail_chaos_tests::lab::cluster::ELECTS_WITHIN;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Lab, Layout};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::server_service_client::ServerServiceClient;

/// Well below the most servers that a cluster takes.
const MOST_WRITES: usize = 700;
const WRITES_FOR: Duration = Duration::from_millis(700);

#[test]
fn acknowledged_writes_survive_a_minority_and_then_everybody() -> Result<()> {
    let _turn = remnants::turn()?;
    let mut lab = Lab::build(Layout::default())?;
    lab.start_cluster()?;
    Scenario::new(lab).check(|scenario| {
        let acknowledged = Mutex::new(BTreeSet::new());
        for round in 0..3 {
            // A director that lives through the round takes the writes: each time another one is lost, the leader first.
            let leader = scenario.cli()?.leader()?;
            let names = scenario.lab.layout.director_names();
            let writer = names.iter().find(|name| **name != leader).context("only one director")?;
            write_through_a_loss(scenario, writer, &leader, round, &acknowledged)?;
            scenario.return_director(&leader)?;
        }
        let acknowledged = acknowledged.into_inner()?;
        ensure!(
            acknowledged.len() > 50,
            "only {} writes were acknowledged: too few to say anything",
            acknowledged.len()
        );
        let missing = missing(scenario, &acknowledged)?;
        ensure!(missing.is_empty(), "acknowledged, and gone after a minority was lost: {missing:?}");

        let names = scenario.lab.layout.director_names();
        names.iter().try_for_each(|name| scenario.lab.power_cut(name).map(drop))?;
        names.iter().try_for_each(|name| scenario.lab.power_on(name))?;
        scenario.cli()?.wait_for_cluster(ELECTS_WITHIN, |cluster| names.iter().all(|name| cluster.is_alive(name)))?;
        let missing = self::missing(scenario, &acknowledged)?;
        ensure!(missing.is_empty(), "acknowledged, and gone after all power was lost: {missing:?}");
        println!("{} acknowledged writes, all there", acknowledged.len());
        Ok(())
    })
}

/// Writes one server after another through one director, while another loses its power in the middle.
fn write_through_a_loss(
    scenario: &mut Scenario,
    writer: &str,
    lost: &str,
    round: usize,
    acknowledged: &Mutex<BTreeSet<String>>,
) -> Result<()> {
    let api = scenario.lab.api(writer)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write_until(&api, round, &stop, acknowledged));
        std::thread::sleep(WRITES_FOR);
        let cut = scenario.lab.power_cut(lost);
        std::thread::sleep(2 * WRITES_FOR);
        stop.store(true, Ordering::Relaxed);
        cut?;
        writing.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    })
}

fn write_until(api: &Api, round: usize, stop: &AtomicBool, acknowledged: &Mutex<BTreeSet<String>>) -> Result<()> {
    api.run(async |channel| {
        let mut client = ServerServiceClient::new(channel);
        for number in 0..MOST_WRITES / 3 {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let server_id = format!("w{round}-{number}");
            let request = v1::CreateServerRequest {
                server_id: server_id.clone(),
                server: Some(v1::Server::default()),
                request_id: server_id.clone(),
                ..Default::default()
            };
            // Refused or unknown is not acknowledged: it may be there, or not.
            if client.create_server(request).await.is_ok() {
                acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.insert(server_id);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })
}

/// What of these is not there.
fn missing(scenario: &Scenario, acknowledged: &BTreeSet<String>) -> Result<Vec<String>> {
    let servers = scenario.cli()?.json("server list")?;
    let servers = servers.as_array().context("`server list` prints no list")?;
    let there: BTreeSet<&str> =
        servers.iter().filter_map(|server| server["name"].as_str()?.strip_prefix("servers/")).collect();
    Ok(acknowledged.iter().filter(|name| !there.contains(name.as_str())).cloned().collect())
}

#[test]
fn a_repeated_call_acts_once_whoever_answers_it() -> Result<()> {
    let _turn = remnants::turn()?;
    let mut lab = Lab::build(Layout::default())?;
    lab.start_cluster()?;
    Scenario::new(lab).check(|scenario| {
        let first = create(&scenario.lab.api("d1")?)?;
        ensure!(!first.replayed, "the first call was taken for a repetition");
        let leader = scenario.cli()?.leader()?;
        scenario.lab.power_cut(&leader)?;
        for director in scenario.lab.layout.director_names().iter().filter(|name| **name != leader) {
            let again = create(&scenario.lab.api(director)?)?;
            ensure!(again.replayed, "{director} did not know that the call was a repetition");
            ensure!(again.revision == first.revision, "{director} answers with revision {}", again.revision);
        }
        Ok(())
    })
}

fn create(api: &Api) -> Result<v1::Outcome> {
    api.run(async |channel: Channel| {
        let request = v1::CreateServerRequest {
            server_id: "once".to_owned(),
            server: Some(v1::Server::default()),
            request_id: "9d0b9f6e-once".to_owned(),
            ..Default::default()
        };
        let answer = ServerServiceClient::new(channel).create_server(request).await.context("the call was refused")?;
        answer.into_inner().outcome.context("an answer without its outcome")
    })
}
