//! Watching on a director that does not lead: changes made through it and through the leader come in order, a watch goes on
//! where it was left, over a change of the leader too, and one that was left for too long is told so.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;
use twinrail_chaos_tests::lab::scenario::Scenario;
use twinrail_chaos_tests::lab::{Lab, Layout, remnants};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::director_service_client::DirectorServiceClient;
use twinrail_proto::grpc::v1::event_service_client::EventServiceClient;
use twinrail_proto::grpc::v1::lan_service_client::LanServiceClient;
use twinrail_proto::grpc::v1::server_service_client::ServerServiceClient;
use twinrail_proto::grpc::v1::watch_response::Content;

const COMES_WITHIN: Duration = Duration::from_secs(5);
/// More changes than a director keeps for watchers that come back.
const MANY: usize = 4_200;
const AT_ONCE: usize = 32;

#[test]
fn a_watch_on_a_follower_goes_on_where_it_was_left() -> Result<()> {
    on_a_follower(async |channel, leader| {
        let start = revision(&channel).await?;
        let mut live = Watch::start(&channel, start).await?;
        for name in ["one", "two", "three"] {
            create(&channel, name).await?;
        }
        let seen = live.names(3).await?;
        ensure!(seen.names == ["lans/one", "lans/two", "lans/three"], "the watch told {:?}", seen.names);

        // The same from there on, on any director.
        for asked in [&channel, &leader] {
            let rest = Watch::start(asked, seen.revisions[0]).await?.names(2).await?;
            ensure!(rest.names == seen.names[1..], "resumed after the first: {:?}", rest.names);
            ensure!(rest.revisions == seen.revisions[1..], "other revisions: {:?}", rest.revisions);
        }

        create(&leader, "by-the-leader").await?;
        ensure!(live.names(1).await?.names == ["lans/by-the-leader"], "a change through the leader was not told");
        let change = v1::TransferLeadershipRequest::default();
        DirectorServiceClient::new(channel.clone()).transfer_leadership(change).await?;
        create(&leader, "by-the-former-leader").await?;
        ensure!(live.names(1).await?.names == ["lans/by-the-former-leader"], "the watch ended with the leadership");
        Ok(())
    })
}

#[test]
fn a_watch_that_was_left_for_too_long_is_told_so() -> Result<()> {
    on_a_follower(async |channel, _| {
        let old = revision(&channel).await?;
        create(&channel, "before").await?;
        change_much(&channel).await?;
        // A linearizable read: the follower has applied all of it, and what it remembers moves no more.
        list_lans(&channel).await?;

        let Err(status) = Watch::open(&channel, old).await else { bail!("events after {old} should be forgotten") };
        ensure!(status.code() == Code::OutOfRange, "the status is {status:?}");
        let details = status.get_error_details();
        let info = details.error_info().context("no ErrorInfo")?;
        ensure!((info.reason.as_str(), info.domain.as_str()) == ("COMPACTED", "twinrail.v1"), "{info:?}");
        let oldest: u64 = info.metadata.get("oldest_revision").context("no oldest_revision")?.parse()?;
        ensure!(oldest > old, "the oldest revision is {oldest}, and {old} was asked for");
        ensure!(Watch::open(&channel, oldest - 1).await.is_err(), "{oldest} is not the oldest to resume from");
        Watch::start(&channel, oldest).await.context("the oldest revision that is said to be there")?;

        // As the error says: list, then watch from the revision of the list.
        let list = list_lans(&channel).await?;
        ensure!(list.lans.iter().any(|lan| lan.name == "lans/before"), "the list lacks a LAN: {:?}", list.lans);
        let mut watch = Watch::start(&channel, list.revision).await?;
        create(&channel, "after").await?;
        ensure!(watch.names(1).await?.names == ["lans/after"], "a change after the list was not told");
        Ok(())
    })
}

async fn list_lans(channel: &Channel) -> Result<v1::ListLansResponse> {
    Ok(LanServiceClient::new(channel.clone()).list_lans(v1::ListLansRequest::default()).await?.into_inner())
}

/// Runs calls on channels to a director that does not lead, and to the leader.
fn on_a_follower(calls: impl AsyncFnOnce(Channel, Channel) -> Result<()> + Send) -> Result<()> {
    let _turn = remnants::turn()?;
    let mut lab = Lab::build(Layout { servers: Vec::new(), ..Layout::default() })?;
    lab.start_cluster()?;
    Scenario::new(lab).check(|scenario| {
        let leader = scenario.cli()?.leader()?;
        let names = scenario.lab.layout.director_names();
        let follower = names.iter().find(|name| **name != leader).context("there is no follower")?;
        let kind = scenario.lab.machine(&leader)?.kind;
        let address =
            scenario.lab.layout.rail_address(kind, twinrail_proto::domain::Rail::A).context("not on rail A")?;
        scenario.lab.api(follower)?.run(async |channel| {
            let uri = format!("http://{address}:{}", twinrail_chaos_tests::lab::config::API_PORT);
            let leader = tonic::transport::Endpoint::from_shared(uri)?.connect().await?;
            calls(channel, leader).await
        })
    })
}

/// A stream of changes of LANs.
struct Watch {
    stream: Streaming<v1::WatchResponse>,
}

/// What a watch told, one entry a change.
#[derive(Default)]
struct Told {
    names: Vec<String>,
    revisions: Vec<u64>,
}

impl Watch {
    async fn open(channel: &Channel, after: u64) -> Result<Self, Status> {
        let request = v1::WatchRequest { after_revision: Some(after), resource_prefixes: vec!["lans/".to_owned()] };
        let stream = EventServiceClient::new(channel.clone()).watch(request).await?.into_inner();
        Ok(Self { stream })
    }

    /// Opens it and reads its first message.
    async fn start(channel: &Channel, after: u64) -> Result<Self> {
        let mut watch = Self::open(channel, after).await?;
        let first = watch.next().await?;
        ensure!(matches!(first.content, Some(Content::Started(_))), "the first message is {first:?}");
        ensure!(first.revision == after, "it starts after {} and not after {after}", first.revision);
        Ok(watch)
    }

    async fn next(&mut self) -> Result<v1::WatchResponse> {
        let message =
            tokio::time::timeout(COMES_WITHIN, self.stream.message()).await.context("nothing more is told")?;
        message?.context("the stream ended")
    }

    /// The next so many changes.
    async fn names(&mut self, count: usize) -> Result<Told> {
        let mut told = Told::default();
        while told.names.len() < count {
            let message = self.next().await?;
            let Some(Content::Changes(changes)) = message.content else { continue };
            for event in changes.events {
                ensure!(told.revisions.last() <= Some(&event.revision), "a revision goes back: {event:?}");
                told.names.push(event.resource);
                told.revisions.push(event.revision);
            }
        }
        Ok(told)
    }
}

async fn revision(channel: &Channel) -> Result<u64> {
    let list = LanServiceClient::new(channel.clone()).list_lans(v1::ListLansRequest::default()).await?;
    Ok(list.into_inner().revision)
}

async fn create(channel: &Channel, name: &str) -> Result<()> {
    let request = v1::CreateLanRequest { lan_id: name.to_owned(), lan: Some(v1::Lan::default()), ..Default::default() };
    LanServiceClient::new(channel.clone())
        .create_lan(request)
        .await
        .with_context(|| format!("creating {name}"))
        .map(drop)
}

/// Many small changes, of servers so that the LANs of the watches stay what they are.
async fn change_much(channel: &Channel) -> Result<()> {
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        workers.spawn(change_server(channel.clone(), format!("busy-{worker}"), MANY / AT_ONCE + 1));
    }
    while let Some(done) = workers.join_next().await {
        done.context("a worker ended early")??;
    }
    Ok(())
}

async fn change_server(channel: Channel, id: String, times: usize) -> Result<()> {
    let mut servers = ServerServiceClient::new(channel);
    let server = Some(v1::Server::default());
    servers.create_server(v1::CreateServerRequest { server_id: id.clone(), server, ..Default::default() }).await?;
    for number in 1..=times {
        let server =
            v1::Server { name: format!("servers/{id}"), max_adapters: number as u32 % 7 + 1, ..Default::default() };
        servers.update_server(v1::UpdateServerRequest { server: Some(server), ..Default::default() }).await?;
    }
    Ok(())
}
