//! How fast the store is: `cargo run --release -p twinrail-raft-store --example store_speed [directory]`.
//!
//! ```text
//!   disk         batches of so many records, one after the other: what the disk gives at best
//!   log          proposers append one entry each and wait until it is durable
//!   single Raft  the same through openraft and the state machine, one director alone
//! ```
//!
//! The directory (default: one below the current) decides which disk is measured.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::entry::RaftEntry;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::type_config::alias::LeaderIdOf;
use openraft::vote::RaftLeaderIdExt;
use openraft::{Config, EntryPayload, SnapshotPolicy};
use tokio::sync::Mutex;
use twinrail_proto::domain::{DirectorId, Name};
use twinrail_raft_store::proposal::Proposal;
use twinrail_raft_store::raft::{self, Entry, LogId, Peer, Raft, Snapshot, TypeConfig, Vote};
use twinrail_raft_store::state::{Command, Operation, ProfileSpec};
use twinrail_raft_store::store::disk::{Change, Disk, SledDisk};
use twinrail_raft_store::store::{Checks, CountersView, Identity, LogStore, Store};

const TIME: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    println!(
        "{:<12} {:>9} {:>10} {:>9} {:>10} {:>9} {:>9}",
        "", "together", "entries/s", "per sync", "p50", "sync avg", "sync max"
    );
    for records in [1, 64, 256] {
        measure_disk(Path::new(&directory), records)?;
    }
    for proposers in [1, 8, 64, 256] {
        measure_log(Path::new(&directory), proposers).await?;
    }
    for proposers in [1, 64, 256] {
        measure_raft(Path::new(&directory), proposers).await?;
    }
    measure_space(Path::new(&directory)).await
}

fn open(directory: &Path) -> anyhow::Result<Store> {
    let identity = Identity { cluster: "speed".to_owned(), director: DirectorId(1), store_id: "speed".to_owned() };
    Ok(Store::open_directory(directory, identity, Checks::None)?)
}

/// A command of about the size that creating a profile has.
fn command(number: u64) -> Command {
    let name = Name::new(format!("profile-{number}")).expect("a valid name");
    let operation = Operation::CreateProfile { name, spec: ProfileSpec::default() };
    Command { request_id: None, intent: number, at: number, actor: "speed".to_owned(), operation }
}

fn proposal(number: u64) -> Proposal {
    Proposal::new(command(number)).expect("a command that can be encoded")
}

fn entry(index: u64) -> Entry {
    let log_id = LogId::new(LeaderIdOf::<TypeConfig>::new_committed(1, 1), index);
    Entry::new(log_id, EntryPayload::Normal(proposal(index)))
}

fn measure_disk(directory: &Path, records: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(directory)?;
    let disk = SledDisk::open(directory.path())?;
    let value = rmp_serde::to_vec_named(&entry(1))?;
    let (started, mut written, mut latencies) = (Instant::now(), 0_u64, Vec::new());
    while started.elapsed() < TIME {
        let batch = written..written + records as u64;
        let put = |index: u64| Change::Put { key: index.to_be_bytes().to_vec(), value: value.clone() };
        let before = Instant::now();
        disk.commit(batch.clone().map(put).collect())?;
        latencies.push(before.elapsed());
        written = batch.end;
    }
    latencies.sort();
    let batches = latencies.len() as u32;
    let counted = CountersView {
        batches: batches.into(),
        entries: written,
        sync_time: latencies.iter().sum(),
        sync_time_max: *latencies.last().unwrap_or(&Duration::ZERO),
        ..CountersView::default()
    };
    report("disk", records, written as usize, &latencies, CountersView::default(), counted);
    Ok(())
}

/// The log, and the index of its next entry: proposers take turns to append, and wait side by side.
struct Shared {
    log: LogStore,
    next: u64,
}

async fn measure_log(directory: &Path, proposers: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(directory)?;
    let mut store = open(directory.path())?;
    store.log.save_vote(&Vote::new(1, 1)).await?;
    let before = store.counters.view();
    let shared = Arc::new(Mutex::new(Shared { log: store.log.clone(), next: 0 }));
    let latencies = run(proposers, move |_| append_one(shared.clone())).await?;
    report("log", proposers, latencies.len(), &latencies, before, store.counters.view());
    Ok(())
}

async fn append_one(shared: Arc<Mutex<Shared>>) -> anyhow::Result<()> {
    let (done, durable) = TypeConfig::oneshot();
    {
        let mut shared = shared.lock().await;
        let entry = entry(shared.next);
        shared.next += 1;
        shared.log.append([entry], IOFlushed::signal(done)).await?;
    }
    Ok(durable.await??)
}

async fn measure_raft(directory: &Path, proposers: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(directory)?;
    let store = open(directory.path())?;
    let counters = store.counters.clone();
    let config = Config { snapshot_policy: SnapshotPolicy::LogsSinceLast(10_000), ..Config::default() };
    let raft = raft::start(1, config, Alone, store.log, store.machine).await?;
    raft.initialize(BTreeMap::from([(1, Peer::default())])).await?;
    raft.wait(Some(Duration::from_secs(5))).current_leader(1, "alone").await?;
    let before = counters.view();
    let latencies = run(proposers, {
        let raft = raft.clone();
        move |number| write_one(raft.clone(), number)
    });
    let latencies = latencies.await?;
    report("single Raft", proposers, latencies.len(), &latencies, before, counters.view());
    raft.shutdown().await?;
    Ok(())
}

/// Creates a profile. When the state is full this is refused: an answer like any other, at the same price for the log.
async fn write_one(raft: Raft, number: u64) -> anyhow::Result<()> {
    raft.client_write(proposal(number)).await?;
    Ok(())
}

/// A million entries, of which ten thousand are kept: what the database takes on the disk.
async fn measure_space(directory: &Path) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(directory)?;
    let disk = Arc::new(SledDisk::open(directory.path())?);
    let identity = Identity { cluster: "speed".to_owned(), director: DirectorId(1), store_id: "speed".to_owned() };
    let mut store = Store::open(disk.clone(), identity, Checks::None)?;
    store.log.save_vote(&Vote::new(1, 1)).await?;
    let mut most = 0;
    for thousand in 0..1000 {
        let entries: Vec<_> = (thousand * 1000..(thousand + 1) * 1000).map(entry).collect();
        store.log.append(entries, IOFlushed::noop()).await?;
        if thousand >= 10 {
            store.log.purge(entry((thousand - 10) * 1000).log_id()).await?;
        }
        if thousand % 10 == 0 {
            store.log.sync().await?;
            most = most.max(disk.size_on_disk()?);
        }
    }
    println!("space: 1M entries appended, 10k kept: at most {} MB on the disk", most >> 20);
    Ok(())
}

/// Lets so many proposers work for a while, and answers the latency of each proposal.
async fn run<F>(
    proposers: usize,
    propose: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let deadline = Instant::now() + TIME;
    let tasks: Vec<_> = (0..proposers as u64)
        .map(|proposer| {
            let propose = propose.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut number = proposer;
                while Instant::now() < deadline {
                    let started = Instant::now();
                    propose(number).await?;
                    latencies.push(started.elapsed());
                    number += proposers as u64;
                }
                Ok::<_, anyhow::Error>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    latencies.sort();
    Ok(latencies)
}

fn report(
    what: &str,
    proposers: usize,
    written: usize,
    latencies: &[Duration],
    before: CountersView,
    after: CountersView,
) {
    let batches = (after.batches - before.batches).max(1);
    let entries = after.entries - before.entries;
    println!(
        "{what:<12} {proposers:>9} {:>10.0} {:>9.1} {:>10.2?} {:>9.2?} {:>9.2?}",
        written as f64 / TIME.as_secs_f64(),
        entries as f64 / batches as f64,
        latencies[latencies.len() / 2],
        after.sync_time_average(),
        after.sync_time_max,
    );
}

/// The network of a director that has no peers.
struct Alone;

fn nobody() -> Unreachable<TypeConfig> {
    Unreachable::from_string("there are no peers")
}

impl RaftNetworkFactory<TypeConfig> for Alone {
    type Network = Alone;

    async fn new_client(&mut self, _: u64, _: &Peer) -> Alone {
        Alone
    }
}

impl RaftNetworkV2<TypeConfig> for Alone {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(nobody().into())
    }

    async fn vote(
        &mut self,
        _: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(nobody().into())
    }

    async fn full_snapshot(
        &mut self,
        _: Vote,
        _: Snapshot,
        _: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(nobody().into())
    }
}
