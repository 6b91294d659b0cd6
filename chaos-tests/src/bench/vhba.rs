//! `make bench-vhba`: fio on a vHBA's disk: server, rail, director, SAN, tgtd; beside the same fio through QEMU's NBD server with
//! libiscsi, which goes straight to tgtd; and beside nbdkit's disk in memory, which has an NBD export and nothing behind it.
//!
//! ```text
//!   fio ── export ── agent ══ rail ══ director ── our initiator ──┐
//!   fio ── export ── qemu-nbd ── libiscsi ────────────────────────┴── SAN ── tgtd
//!   fio ── export ── nbdkit (memory)
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Sides;
use super::table::{median, ratio, table};
use crate::consistency::faults::{Fault, Plan, take_over};
use crate::consistency::running::RunningLoad;
use crate::lab::peer::SanPeer;
use crate::lab::scenario::eventually;
use crate::lab::storage::{Storage, TARGET};
use crate::lab::{Layout, Process, shell};
use crate::measure::clock::milliseconds;

const ROUNDS: usize = 3;
const SECONDS: &str = "2";
const MEBIBYTES: u64 = 64;
/// The disk of the vHBA, and that of the peer.
const OURS: u16 = 1;
const THEIRS: u16 = 2;
const PEER: &str = "50:01:43:80:00:0f:00:01";
const STARTS_WITHIN: Duration = Duration::from_secs(10);
const POWER_CUTS: usize = 10;

/// What fio does: a name for people, and its arguments.
struct Job {
    name: &'static str,
    arguments: [&'static str; 3],
    /// Octets a second count, not commands.
    bulk: bool,
}

const fn job(name: &'static str, arguments: [&'static str; 3], bulk: bool) -> Job {
    Job { name, arguments, bulk }
}

const JOBS: [Job; 6] = [
    job("4 KiB read, depth 1", ["--rw=randread", "--bs=4k", "--iodepth=1"], false),
    job("4 KiB read, depth 32", ["--rw=randread", "--bs=4k", "--iodepth=32"], false),
    job("4 KiB write, depth 1", ["--rw=randwrite", "--bs=4k", "--iodepth=1"], false),
    job("4 KiB write, depth 32", ["--rw=randwrite", "--bs=4k", "--iodepth=32"], false),
    job("128 KiB read", ["--rw=read", "--bs=128k", "--iodepth=8"], true),
    job("128 KiB write", ["--rw=write", "--bs=128k", "--iodepth=8"], true),
];

/// One export to measure, and the program behind it if it is one of ours to end.
struct Way {
    name: &'static str,
    socket: PathBuf,
    _process: Option<Process>,
}

pub fn run(sides: Sides) -> Result<()> {
    println!("fio on a disk of the SAN: the median of {ROUNDS} rounds");
    let layout = Layout { flight_recorder: false, servers: vec!["s1".to_owned()], ..Layout::default() };
    Storage::deployed(layout, None, &[(OURS, MEBIBYTES), (THEIRS, MEBIBYTES)])?.check(|storage| {
        let mut ways = if sides.others { others(storage)? } else { Vec::new() };
        if sides.twinrail {
            let socket = storage.lab.export(&storage.cli()?, OURS)?;
            ways.push(Way { name: "twinrail", socket, _process: None });
        }
        let mut rounds: Vec<Vec<[f64; JOBS.len()]>> = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (way, figures) in ways.iter().zip(&mut rounds) {
                figures.push(measure(way, storage.lab.run_dir())?);
            }
        }
        print(&ways, &rounds);
        if sides.twinrail { gaps(storage) } else { Ok(()) }
    })
}

fn others(storage: &mut Storage) -> Result<Vec<Way>> {
    storage.array.admit(TARGET, PEER)?;
    let (lab, folder) = (&storage.lab, storage.lab.run_dir());
    let peer = SanPeer::new(lab, &storage.array, TARGET, THEIRS, PEER)?;
    let (direct, memory) = (folder.join("direct.sock"), folder.join("memory.sock"));
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    let qemu = peer.command("qemu-nbd", &["--persistent", "--socket", &text(&direct)?, peer.disk()]);
    let mut nbdkit = Command::new("nbdkit");
    nbdkit.args(["--foreground", "--unix", &text(&memory)?, "memory", &format!("{MEBIBYTES}M")]);
    let start = |name, socket: PathBuf, command| {
        let process = Process::spawn(name, command, folder)?;
        eventually(STARTS_WITHIN, name, || Ok(socket.exists().then_some(())))?;
        Ok::<_, anyhow::Error>(Way { name, socket, _process: Some(process) })
    };
    Ok(vec![start("libiscsi to tgtd", direct, qemu)?, start("nbdkit memory", memory, nbdkit)?])
}

fn measure(way: &Way, folder: &Path) -> Result<[f64; JOBS.len()]> {
    let mut figures = [0.0; JOBS.len()];
    for (job, figure) in JOBS.iter().zip(&mut figures) {
        *figure = fio(job, &way.socket, folder).with_context(|| format!("{} over {}", job.name, way.name))?;
    }
    Ok(figures)
}

/// Commands a second, or MB/s.
fn fio(job: &Job, socket: &Path, folder: &Path) -> Result<f64> {
    let mut command = Command::new("fio");
    command.args(["--name=bench", "--ioengine=nbd", "--output-format=json", "--time_based", "--runtime", SECONDS]);
    command.arg(format!("--uri=nbd+unix:///?socket={}", socket.display()));
    command.arg(format!("--aux-path={}", folder.display())).arg(format!("--size={MEBIBYTES}m")).args(job.arguments);
    let text = shell::run(&mut command)?;
    let json = text.find('{').map_or("", |at| &text[at..]);
    let report: Value = serde_json::from_str(json).context("fio printed something else than JSON")?;
    let of = |key: &str| {
        let sum: f64 = ["read", "write"].iter().filter_map(|side| report["jobs"][0][side][key].as_f64()).sum();
        sum
    };
    Ok(if job.bulk { of("bw_bytes") / 1e6 } else { of("iops") })
}

fn print(ways: &[Way], rounds: &[Vec<[f64; JOBS.len()]>]) {
    let medians: Vec<Vec<f64>> =
        rounds.iter().map(|way| (0..JOBS.len()).map(|job| median(way.iter().map(|it| it[job]))).collect()).collect();
    let yardstick = ways.iter().position(|it| it.name.starts_with("libiscsi")).map(|index| medians[index].clone());
    let header: Vec<&str> = std::iter::once("").chain(ways.iter().map(|it| it.name)).collect();
    let mut out = table(&header);
    for (index, job) in JOBS.iter().enumerate() {
        let unit = if job.bulk { "MB/s" } else { "/s" };
        let cell = |figures: &Vec<f64>| {
            let share = ratio(figures[index], yardstick.as_ref().map_or(0.0, |it| it[index]));
            format!("{:.0} {unit} ({share})", figures[index])
        };
        out.add_row(std::iter::once(job.name.to_owned()).chain(medians.iter().map(cell)));
    }
    println!("{out}\nIn brackets: as a ratio to libiscsi straight to the array.");
}

/// The gap that 48 commands in flight see when the home of their disk loses its power.
fn gaps(storage: &mut Storage) -> Result<()> {
    let socket = storage.lab.export(&storage.cli()?, OURS)?;
    // The checker's disk is all zeros at first.
    shell::run(
        Command::new("qemu-io")
            .args(["-f", "raw", "-c", "write -z 0 2M", "-c", "flush"])
            .arg(format!("nbd+unix:///?socket={}", socket.display())),
    )?;
    let load = RunningLoad::start(&socket, 1)?;
    let plan = Plan { rest: Duration::from_millis(200), fault: Fault::PowerCut };
    let cuts = (0..POWER_CUTS).map(|_| take_over(&mut storage.lab, plan, || load.progress()));
    let takeovers = cuts.collect::<Result<Vec<_>>>();
    let tally = load.finish()?;
    let gap = |from, to| milliseconds(tally.gaps.longest(from, to));
    let gaps: Vec<f64> = takeovers?.iter().flatten().map(|it| gap(it.from, it.to)).collect();
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    println!(
        "Power cuts of the disk's home, 48 commands in flight: gap of {:.0} ms (median of {POWER_CUTS}), {longest:.0} ms \
              (longest); {} errors, {} wrong reads",
        median(gaps),
        tally.errors,
        tally.violations.len()
    );
    Ok(())
}
