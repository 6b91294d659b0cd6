//! What every director says of itself and of the homes, all the time, by polling and by Watch: from inside its own machine, so that one
//! that is cut off is heard too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::cluster_service_client::ClusterServiceClient;
use twinrail_proto::grpc::v1::event_service_client::EventServiceClient;
use twinrail_proto::grpc::v1::profile_service_client::ProfileServiceClient;
use twinrail_proto::grpc::v1::watch_response::Content;

use crate::lab::Lab;
use crate::measure::clock::{self, Nanos};

const POLL: Duration = Duration::from_millis(100);
/// Every so many polls the digest of the state is asked for as well.
const HASH_EVERY: u64 = 10;
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// A watch on which nothing came for so long is opened again: its director may have hung.
const WATCH_RESTS: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What a director said of itself at some moment between these two.
#[derive(Clone, Debug)]
pub struct Pulse {
    pub from: Nanos,
    pub to: Nanos,
    pub director: String,
    pub leader: String,
    pub term: u64,
    pub lease_left: Option<Duration>,
    /// Revision and digest of its state.
    pub hash: Option<(u64, String)>,
}

/// An adapter as a director knew it at a revision.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub at: Nanos,
    pub director: String,
    pub revision: u64,
    /// `web-1/eth0`
    pub adapter: String,
    /// Its MAC or WWPN.
    pub identity: String,
    /// Empty: nobody.
    pub home: String,
    pub epoch: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub pulses: Vec<Pulse>,
    pub sightings: Vec<Sighting>,
}

/// Observers that run, one for each director.
pub struct Observers {
    stop: Arc<AtomicBool>,
    observed: Arc<Mutex<Observed>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Observers {
    pub fn start(lab: &Lab) -> Result<Self> {
        let (stop, observed) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Observed::default())));
        let begin = |director: String| {
            let api = lab.api(&director)?;
            let observer = Observer { director: director.clone(), stop: stop.clone(), observed: observed.clone() };
            let run = move || api.run(async |channel| observer.run(channel).await);
            std::thread::Builder::new().name(format!("see-{director}")).spawn(run).context("could not start a thread")
        };
        let threads = lab.layout.director_names().into_iter().map(begin).collect::<Result<_>>()?;
        Ok(Self { stop, observed, threads })
    }

    pub fn finish(self) -> Result<Observed> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("an observer panicked"))??;
        }
        Ok(std::mem::take(&mut *lock(&self.observed)))
    }
}

#[derive(Clone)]
struct Observer {
    director: String,
    stop: Arc<AtomicBool>,
    observed: Arc<Mutex<Observed>>,
}

impl Observer {
    async fn run(&self, channel: Channel) -> Result<()> {
        tokio::select! {
            () = self.poll(ClusterServiceClient::new(channel.clone())) => {}
            () = self.watch(channel) => {}
        }
        Ok(())
    }

    /// Until it shall end.
    async fn poll(&self, mut client: ClusterServiceClient<Channel>) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let with_state_hash = number % HASH_EVERY == 0;
            let from = clock::now();
            let answer = client.get_cluster(timed(v1::GetClusterRequest { with_state_hash })).await;
            if let Ok(answer) = answer {
                lock(&self.observed).pulses.push(pulse(&self.director, from, answer.into_inner()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// For ever: what is there, then every change; from anew where the watch cannot go on.
    async fn watch(&self, channel: Channel) {
        let mut known = BTreeMap::new();
        let mut after = None;
        loop {
            let ended = self.follow(&channel, &mut after, &mut known).await;
            if ended.is_err_and(|status| status.code() == Code::OutOfRange) {
                after = None;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn follow(&self, channel: &Channel, after: &mut Option<u64>, known: &mut Known) -> Result<(), Status> {
        if after.is_none() {
            let request = v1::ListProfilesRequest { stale_ok: true, page_size: 1_000, ..Default::default() };
            let list = ProfileServiceClient::new(channel.clone()).list_profiles(timed(request)).await?.into_inner();
            list.profiles.into_iter().for_each(|it| self.note(list.revision, it, known));
            *after = Some(list.revision);
        }
        let request = v1::WatchRequest { after_revision: *after, resource_prefixes: vec!["profiles/".to_owned()] };
        let mut stream = EventServiceClient::new(channel.clone()).watch(Request::new(request)).await?.into_inner();
        while let Ok(message) = tokio::time::timeout(WATCH_RESTS, stream.message()).await {
            let Some(message) = message? else { return Ok(()) };
            if let Some(Content::Changes(changes)) = message.content {
                for event in changes.events {
                    if let Some(v1::event::Content::Profile(profile)) = event.content {
                        self.note(event.revision, profile, known);
                    }
                }
            }
            *after = Some(message.revision);
        }
        Ok(())
    }

    /// Writes down what is new of a profile's adapters.
    fn note(&self, revision: u64, profile: v1::Profile, known: &mut Known) {
        let vnics = profile.vnics.into_values().map(|it| (it.name, it.mac, it.home));
        let vhbas = profile.vhbas.into_values().map(|it| (it.name, it.wwpn, it.home));
        for (name, identity, home) in vnics.chain(vhbas) {
            let home = home.unwrap_or_default();
            let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
            let seen = (identity, last(&home.director), home.epoch);
            let adapter = format!("{}/{}", name.split('/').nth(1).unwrap_or_default(), last(&name));
            if known.insert(adapter.clone(), seen.clone()) != Some(seen.clone()) {
                let ((identity, home, epoch), director) = (seen, self.director.clone());
                let at = clock::now();
                let sighting = Sighting { at, director, revision, adapter, identity, home, epoch };
                lock(&self.observed).sightings.push(sighting);
            }
        }
    }
}

/// Identity, home and epoch of each adapter, as last seen.
type Known = BTreeMap<String, (String, String, u64)>;

fn pulse(director: &str, from: Nanos, cluster: v1::Cluster) -> Pulse {
    let own = cluster.directors.iter().find(|it| it.director == cluster.answered_by);
    let lease = own.and_then(|it| it.lease_remaining);
    Pulse {
        from,
        to: clock::now(),
        director: director.to_owned(),
        leader: cluster.leader.rsplit('/').next().unwrap_or_default().to_owned(),
        term: cluster.term,
        lease_left: lease.and_then(|it| Duration::try_from(it).ok()),
        hash: Some((cluster.state_revision, cluster.state_hash)).filter(|it| !it.1.is_empty()),
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWERS_WITHIN);
    request
}

fn lock(observed: &Mutex<Observed>) -> MutexGuard<'_, Observed> {
    observed.lock().unwrap_or_else(PoisonError::into_inner)
}
