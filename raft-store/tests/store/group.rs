//! A Raft group of three that lives on the store: powers go, disks are found as they were, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Config, SnapshotPolicy};
use twinrail_proto::domain::{Name, Revision, Server};
use twinrail_raft_store::proposal::Proposal;
use twinrail_raft_store::raft::{self, Peer, Raft};
use twinrail_raft_store::state::{Command, Operation, Outcome, RejectionKind, RequestId};
use twinrail_raft_store::store::disk::{ChaosDisk, Disk, SledDisk};
use twinrail_raft_store::store::{Counters, Notice, StateView};

use crate::support::open;
use crate::wires::{Plug, Wires};

const PATIENCE: Duration = Duration::from_secs(30);

struct Member {
    id: u64,
    disk: ChaosDisk,
    raft: Raft,
    view: StateView,
    counters: Arc<Counters>,
}

fn config() -> Config {
    Config {
        heartbeat_interval: 20,
        election_timeout_min: 100,
        election_timeout_max: 200,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(40),
        max_in_snapshot_log_to_keep: 5,
        ..Config::default()
    }
}

async fn start_raft(id: u64, disk: impl Disk, wires: &Wires) -> (Raft, StateView, Arc<Counters>) {
    let store = open(disk).unwrap();
    let plug = Plug { wires: wires.clone(), id };
    let raft = raft::start(id, config(), plug, store.log, store.machine).await.unwrap();
    wires.plug(id, raft.clone());
    (raft, store.view, store.counters)
}

impl Member {
    async fn start(id: u64, disk: ChaosDisk, wires: &Wires) -> Self {
        let (raft, view, counters) = start_raft(id, disk.clone(), wires).await;
        Self { id, disk, raft, view, counters }
    }

    /// The power goes: what the disk has at this moment is all that remains.
    async fn lose_power(self, wires: &Wires) -> ChaosDisk {
        wires.unplug(self.id);
        let disk = self.disk.cut(self.disk.written());
        self.raft.shutdown().await.unwrap();
        disk
    }

    async fn wait_for(&self, revision: Revision) {
        let mut applied = self.view.applied();
        let reached = tokio::time::timeout(PATIENCE, applied.wait_for(|applied| *applied >= revision)).await;
        reached.unwrap_or_else(|_| panic!("member {} never applied {revision}", self.id)).unwrap();
    }
}

struct Group {
    wires: Wires,
    members: BTreeMap<u64, Member>,
    acknowledged: Vec<Name>,
    newest: Revision,
    /// Of members that have lost power since: snapshots built, and installed.
    snapshots: (u64, u64),
}

impl Group {
    async fn start() -> Self {
        let wires = Wires::default();
        let mut members = BTreeMap::new();
        for id in 1..=3 {
            members.insert(id, Member::start(id, ChaosDisk::new(), &wires).await);
        }
        let peers: BTreeMap<u64, Peer> = (1..=3).map(|id| (id, Peer::default())).collect();
        members[&1].raft.initialize(peers).await.unwrap();
        Self { wires, members, acknowledged: Vec::new(), newest: Revision(0), snapshots: (0, 0) }
    }

    /// Asks one member after the other until the leader answers.
    async fn call(&self, command: Command) -> Outcome {
        let proposal = Proposal::new(command).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            for member in self.members.values() {
                if let Ok(answer) = member.raft.client_write(proposal.clone()).await {
                    return answer.data;
                }
            }
            assert!(Instant::now() < deadline, "no leader for {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn create_servers(&mut self, count: usize) {
        for _ in 0..count {
            let name = Name::new(format!("s{}", self.acknowledged.len())).unwrap();
            let applied = self.call(create_server(&name)).await.unwrap();
            self.newest = self.newest.max(applied.revision);
            self.acknowledged.push(name);
        }
    }

    async fn lose_power(&mut self, id: u64) -> ChaosDisk {
        let member = self.members.remove(&id).unwrap();
        let counted = member.counters.view();
        self.snapshots.0 += counted.snapshots_built;
        self.snapshots.1 += counted.snapshots_installed;
        member.lose_power(&self.wires).await
    }

    async fn power_up(&mut self, id: u64, disk: ChaosDisk) {
        let member = Member::start(id, disk, &self.wires).await;
        self.members.insert(id, member);
    }

    fn leader(&self) -> Option<u64> {
        let member = self.members.values().next()?;
        member.raft.metrics().borrow_watched().current_leader.filter(|leader| self.members.contains_key(leader))
    }

    /// Everything acknowledged is there, once, with everybody, and all are equal.
    async fn check(&self) {
        for member in self.members.values() {
            member.wait_for(self.newest).await;
            let state = member.view.read();
            state.validate().unwrap();
            let missing: Vec<_> =
                self.acknowledged.iter().filter(|name| !state.servers().contains_key(*name)).collect();
            assert!(missing.is_empty(), "member {} lost {missing:?}", member.id);
            assert_eq!(state.servers().len(), self.acknowledged.len());
        }
        let states: Vec<_> = self.members.values().map(|member| member.view.read().clone()).collect();
        assert!(states.iter().all(|state| state.hash() == states[0].hash()), "the states differ");
    }
}

fn create_server(name: &Name) -> Command {
    let server = Server { name: name.clone(), machine_id: None, rails: None, spare: false, max_adapters: 8 };
    let request_id = Some(RequestId(format!("create-{name}")));
    let operation = Operation::CreateServer(server);
    Command { request_id, intent: 1, at: 1000, actor: "test".to_owned(), operation }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_powers_go() {
    let mut group = Group::start().await;
    group.create_servers(20).await;
    for round in 0..6 {
        // The leader in every second round.
        let victim = group.leader().filter(|_| round % 2 == 0).unwrap_or(1 + round % 3);
        let disk = group.lose_power(victim).await;
        // Enough that the others compact their logs, and the one that was away needs a snapshot.
        group.create_servers(if round < 2 { 60 } else { 10 }).await;
        group.power_up(victim, disk).await;
        group.create_servers(5).await;
        group.check().await;
    }
    for id in 1..=3 {
        group.lose_power(id).await;
    }
    let (built, installed) = group.snapshots;
    assert!(built > 0, "nobody compacted");
    assert!(installed > 0, "nobody needed a snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_all_lose_power_at_once() {
    let mut group = Group::start().await;
    for _ in 0..3 {
        group.create_servers(30).await;
        let mut disks = Vec::new();
        for id in 1..=3 {
            group.wires.unplug(id);
        }
        for id in 1..=3 {
            disks.push((id, group.lose_power(id).await));
        }
        for (id, disk) in disks {
            group.power_up(id, disk).await;
        }
        group.create_servers(1).await;
        group.check().await;
    }
}

/// A rejection is an answer, the same request again is no new one, and watchers see what happened, once and in order.
#[tokio::test(flavor = "multi_thread")]
async fn answers_and_events() {
    let group = Group::start().await;
    let mut notices: Vec<_> = group.members.values().map(|member| member.view.subscribe()).collect();
    let name = Name::new("s0").unwrap();
    let created = group.call(create_server(&name)).await.unwrap();
    let repeated = group.call(create_server(&name)).await.unwrap();
    assert!(repeated.replayed);
    assert_eq!(repeated.revision, created.revision);
    let twice = group.call(Command { request_id: None, ..create_server(&name) }).await.unwrap_err();
    assert_eq!(twice.kind(), RejectionKind::AlreadyExists);
    let other = group.call(create_server(&Name::new("s1").unwrap())).await.unwrap();
    for (notices, member) in notices.iter_mut().zip(group.members.values()) {
        member.wait_for(other.revision).await;
        for expected in [&created, &other] {
            let Ok(Notice::Changed(changed)) = notices.try_recv() else { panic!("a notice is missing") };
            assert_eq!((changed.revision, &changed.events), (expected.revision, &expected.events));
        }
        assert!(notices.try_recv().is_err(), "something that changed nothing was told");
        let missed = member.view.events_since(created.revision).unwrap();
        assert_eq!(missed.iter().map(|events| events.revision).collect::<Vec<_>>(), [other.revision]);
    }
}

/// The same on the real disk, with a snapshot and a log that is compacted.
#[tokio::test(flavor = "multi_thread")]
async fn a_director_restarts_from_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut hash = None;
    for start in 0..4 {
        let wires = Wires::default();
        let (raft, view, counters) = start_raft(1, SledDisk::open(directory.path()).unwrap(), &wires).await;
        if start == 0 {
            raft.initialize(BTreeMap::from([(1, Peer::default())])).await.unwrap();
        }
        raft.wait(Some(PATIENCE)).current_leader(1, "it leads itself").await.unwrap();
        assert!(hash.is_none_or(|hash| hash == view.read().hash()), "start {start}: another state than before");
        for number in 0..60 {
            let name = Name::new(format!("s{start}-{number}")).unwrap();
            raft.client_write(Proposal::new(create_server(&name)).unwrap()).await.unwrap().data.unwrap();
        }
        assert_eq!(view.read().servers().len(), 60 * (start + 1));
        hash = Some(view.read().hash());
        let deadline = Instant::now() + PATIENCE;
        while counters.view().snapshots_built == 0 {
            assert!(Instant::now() < deadline, "start {start}: no snapshot was built");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        raft.shutdown().await.unwrap();
    }
}
