//! A real process writes to a real disk, says what was acknowledged, and is killed at a random moment, again and again.
//!
//! SIGKILL leaves the page cache, so this shows that nothing is acknowledged before it was handed over whole; that it is
//! synced, too, strace shows (`every_batch_is_synced`) and, byte by byte, on the chaos twin (`power_cut`).

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openraft::RaftSnapshotBuilder;
use openraft::storage::{EntryResponder, IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use twinrail_raft_store::raft::TypeConfig;
use twinrail_raft_store::store::disk::SledDisk;
use twinrail_raft_store::store::{Store, StoreError};

use crate::support::{contents, entry, log_id, open, vote};

const DIRECTORY: &str = "TWINRAIL_CRASH_TEST_DIRECTORY";
/// Appends that the writer leaves unacknowledged at a time.
const OVERLAP: &str = "TWINRAIL_CRASH_TEST_OVERLAP";
/// Acknowledgements after which the writer ends by itself.
const LIMIT: &str = "TWINRAIL_CRASH_TEST_LIMIT";
const KILLS: u64 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut voted) = (None, 0);
    for round in 0..KILLS {
        let mut writer = Writer::start(directory.path());
        let said = writer.kill_after(Duration::from_millis(5 + round * 37 % 120));
        for line in said {
            match line.split_once(' ') {
                Some(("acked", index)) => acknowledged = acknowledged.max(Some(index.parse::<u64>().unwrap())),
                Some(("voted", term)) => voted = voted.max(term.parse::<u64>().unwrap()),
                _ => panic!("the writer said {line}"),
            }
        }
        check(directory.path(), acknowledged, voted, round).await;
    }
    assert!(acknowledged > Some(500), "only {acknowledged:?} were acknowledged: the kills came too early");
}

async fn check(path: &Path, acknowledged: Option<u64>, voted: u64, round: u64) {
    let mut store = open(SledDisk::open(path).unwrap()).unwrap_or_else(|error| panic!("round {round}: {error}"));
    let found = contents(&mut store.log).await;
    let last = found.state.last_log_id.map(|last| last.index());
    assert!(last >= acknowledged, "round {round}: {acknowledged:?} was acknowledged, and the log ends with {last:?}");
    assert!(found.vote.is_none_or(|found| found.leader_id().term >= voted), "round {round}: voted in {voted}");
    for kept in found.entries {
        let index = kept.log_id.index();
        assert_eq!(kept.payload, entry(1, index).payload, "round {round}: entry {index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(directory.path());
    writer.first_line();
    let refused = SledDisk::open(directory.path()).err();
    assert!(matches!(refused, Some(StoreError::InUse { .. })), "{refused:?}");
}

/// By strace: each acknowledgement comes after a write to the database and, after that one, a completed fsync of it.
#[test]
fn every_batch_is_synced() {
    let strace = Command::new("strace").arg("-V").output();
    assert!(strace.is_ok(), "this test needs the Debian package strace");
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let mut writer = Writer::traced(&directory.path().join("store"), &trace);
    assert!(writer.process.wait().unwrap().success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let mut acknowledgements = 0;
    let mut seen = Seen::default();
    for line in trace.lines() {
        seen.system_call(line);
        if line.contains("\"acked ") {
            assert!(seen.synced, "acknowledged without a sync after {} writes: {line}", seen.writes);
            acknowledgements += 1;
            seen = Seen::default();
        }
    }
    assert_eq!(acknowledgements, TRACED);
}

const TRACED: usize = 100;

/// The system calls since the last acknowledgement.
#[derive(Default)]
struct Seen {
    writes: usize,
    /// The thread that is syncing the database.
    syncing: Option<String>,
    synced: bool,
}

impl Seen {
    fn system_call(&mut self, line: &str) {
        let thread = line.split_whitespace().next().map(str::to_owned);
        let database = line.contains("/sled/db>");
        if line.contains("pwrite64(") && database {
            self.writes += 1;
        } else if line.contains("fdatasync(") && database && self.writes > 0 {
            self.syncing = thread;
            self.synced |= line.ends_with("= 0");
        } else if line.contains("<... fdatasync resumed>") && line.ends_with("= 0") && thread == self.syncing {
            self.synced = true;
        }
    }
}

/// The test binary once more, as a process that only writes.
struct Writer {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(directory: &Path) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), directory, 8, usize::MAX)
    }

    fn traced(directory: &Path, trace: &Path) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-e", "trace=pwrite64,fdatasync,write", "-o"]).arg(trace);
        strace.arg(std::env::current_exe().unwrap());
        Self::spawn(strace, directory, 0, TRACED)
    }

    fn spawn(mut command: Command, directory: &Path, overlap: usize, limit: usize) -> Self {
        command.args(["--exact", "crash::writer", "--ignored", "--nocapture"]);
        command.env(DIRECTORY, directory).env(OVERLAP, overlap.to_string()).env(LIMIT, limit.to_string());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        while !line.contains("acked ") {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the writer ended");
        }
        line
    }

    /// Lets it write for a while from its first acknowledgement on, and answers all that it said before it died.
    fn kill_after(&mut self, time: Duration) -> Vec<String> {
        let first = self.first_line();
        let deadline = Instant::now() + time;
        let mut said = vec![first];
        while Instant::now() < deadline {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            said.push(line);
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        said.extend(self.lines.by_ref().lines().map(Result::unwrap));
        // The test harness says things, too.
        let ours = |line: &&str| line.starts_with("acked ") || line.starts_with("voted ");
        said.iter().map(|line| line.trim()).filter(ours).map(str::to_owned).collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(what: &str, number: u64) {
    // Straight to the pipe, in one write: `println!` would be captured.
    std::io::stdout().write_all(format!("{what} {number}\n").as_bytes()).unwrap();
}

#[ignore = "the process that the other tests start and kill"]
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let path = PathBuf::from(std::env::var_os(DIRECTORY).expect("started by another test"));
    let number = |name| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let (overlap, mut left) = (number(OVERLAP), number(LIMIT));
    let mut store = open(SledDisk::open(&path).unwrap()).unwrap();
    let mut next = store.log.get_log_state().await.unwrap().last_log_id.map_or(0, |last| last.index() + 1);
    let mut overlapping = VecDeque::new();
    while left > 0 {
        let (done, durable) = TypeConfig::oneshot();
        let count = 1 + next % 3;
        if next % 50 < count {
            store.log.save_vote(&vote(1 + next / 50)).await.unwrap();
            say("voted", 1 + next / 50);
        }
        let entries: Vec<_> = (next..next + count).map(|index| entry(1, index)).collect();
        store.log.append(entries, IOFlushed::signal(done)).await.unwrap();
        next += count;
        overlapping.push_back((next - 1, durable));
        if overlapping.len() > overlap {
            let (last, durable) = overlapping.pop_front().unwrap();
            durable.await.unwrap().unwrap();
            say("acked", last);
            left -= 1;
            if last % 200 < 3 {
                compact(&mut store, last).await;
            }
        }
    }
}

async fn compact(store: &mut Store, upto: u64) {
    let from = store.machine.applied_state().await.unwrap().0.map_or(0, |applied| applied.index() + 1);
    let first = store.log.get_log_state().await.unwrap().last_purged_log_id.map_or(0, |purged| purged.index() + 1);
    let applied = (from.max(first)..=upto).map(|index| Ok::<EntryResponder<TypeConfig>, _>((entry(1, index), None)));
    store.machine.apply(futures::stream::iter(applied)).await.unwrap();
    store.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    store.log.purge(log_id(1, upto.saturating_sub(2))).await.unwrap();
}
