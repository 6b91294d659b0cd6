//! A thousand profiles of four vNICs, created by a script through the API; and failover does not get slower in proportion.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use twinrail_chaos_tests::lab::Layout;
use twinrail_chaos_tests::lab::remnants;
use twinrail_chaos_tests::lab::scenario::{Scenario, longest_gap_ms};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::profile_service_client::ProfileServiceClient;

const PROFILES: usize = 1_000;
const AT_ONCE: usize = 32;
/// As for every power cut, in ms: with a thousand profiles too.
const LONGEST_GAP: u64 = 500;

#[test]
fn a_thousand_profiles_of_four_vnics() -> Result<()> {
    let _turn = remnants::turn()?;
    Scenario::watched(Layout::default(), &["s1"])?.check(|scenario| {
        let small = lose_home(scenario)?;
        let vnics = (0..4).map(|number| format!("--vnic eth{number},lan=prod,mac-pool=macs")).collect::<Vec<_>>();
        scenario.cli()?.run(&format!("template create four {}", vnics.join(" ")))?;
        let leader = scenario.cli()?.leader()?;
        let start = Instant::now();
        scenario.lab.api(&leader)?.run(create_all)?;
        let elapsed = start.elapsed();
        println!(
            "{PROFILES} profiles of 4 vNICs in {elapsed:.1?}: {:.0} creates/s",
            PROFILES as f64 / elapsed.as_secs_f64()
        );

        let vnics = scenario.cli()?.vnics()?;
        ensure!(vnics.len() == 4 * PROFILES + 2, "{} vNICs are there", vnics.len());
        let macs: std::collections::BTreeSet<&String> = vnics.iter().map(|vnic| &vnic.mac).collect();
        ensure!(macs.len() == vnics.len(), "two vNICs have the same MAC");
        let large = lose_home(scenario)?;
        println!("longest gap with 2 vNICs in the cluster {small} ms, with {} {large} ms", vnics.len());
        ensure!(large <= LONGEST_GAP, "a gap of {large} ms");
        Ok(())
    })
}

fn lose_home(scenario: &mut Scenario) -> Result<u64> {
    let home = scenario.homes()?.first().context("nothing is watched")?.clone();
    let windows = scenario.lose_director(&home)?;
    scenario.return_director(&home)?;
    Ok(longest_gap_ms(&windows))
}

async fn create_all(channel: Channel) -> Result<()> {
    let mut creating = JoinSet::new();
    for worker in 0..AT_ONCE {
        let client = ProfileServiceClient::new(channel.clone());
        creating.spawn(create_share(client, worker));
    }
    while let Some(share) = creating.join_next().await {
        share.context("a worker ended early")??;
    }
    Ok(())
}

async fn create_share(mut client: ProfileServiceClient<Channel>, worker: usize) -> Result<()> {
    for number in (worker..PROFILES).step_by(AT_ONCE) {
        let template = "templates/four".to_owned();
        let request = v1::CreateProfileRequest {
            profile_id: format!("p{number}"),
            profile: Some(v1::Profile { template, ..Default::default() }),
            request_id: format!("create-p{number}"),
            ..Default::default()
        };
        let call = client.create_profile(request);
        let answer = tokio::time::timeout(Duration::from_secs(10), call).await.context("no answer")?;
        answer.with_context(|| format!("profile p{number} was refused"))?;
    }
    Ok(())
}
