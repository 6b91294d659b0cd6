//! The part of the story about a disk: a vHBA on a SAN, files on it, and its home's loss of power.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::narrator::{Narrator, Step};
use crate::consistency::running::RunningLoad;
use crate::lab::array::Array;
use crate::lab::files::FileWriter;
use crate::lab::scenario::{Scenario, eventually};
use crate::lab::storage::{self, LunView, PROFILE, VHBA, Vhba};
use crate::lab::{Cli, Lab};
use crate::measure::clock::{self, milliseconds};

const SERVER: &str = "s2";
const LUN: u16 = 1;
const MEBIBYTES: u64 = 64;
/// A writer has done something, so that what follows meets a disk in use.
const WARM: u64 = 20;
const DEVICE_WITHIN: Duration = Duration::from_secs(15);
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// What is promised of the writer's longest wait, in ms.
const WAIT: u64 = 3_000;
const SEED: u64 = 1;

/// Whoever writes to the disk: files where the machine can show it as a device, else blocks through the NBD export.
enum Writer {
    Files(FileWriter),
    Blocks(RunningLoad),
}

/// What a file system needs of the kernel besides what the lab needs.
const FOR_DEVICE_NODES: [&str; 2] = ["/dev/fuse", "/dev/loop-control"];

/// Whether servers can show disks as devices here.
pub fn has_device_nodes() -> bool {
    FOR_DEVICE_NODES.iter().all(|it| Path::new(it).exists())
}

/// Tells it. The array runs as long as what is returned.
pub fn tell(scenario: &mut Scenario, narrator: &mut Narrator) -> Result<Array> {
    let array = narrator.step(
        "A disk array on a SAN, and a profile with a vHBA",
        "The array (tgtd, which knows nothing of Twinrail) shows its disk to that vHBA's world-wide name alone.",
        |step| add_disk(scenario, step),
    )?;
    let mut writer = narrator.step(
        "The disk is written to, all the time",
        "An ordinary program on an ordinary file system; each file's checksum is kept elsewhere.",
        |step| start_writer(&scenario.lab, step),
    )?;
    let home = scenario.cli()?.vhba(VHBA)?.home().to_owned();
    narrator.step(
        &format!("Director {home} loses its power: the home of the disk"),
        "The next home first makes sure that nothing of the old one is on its way in the array, then sends again what waits.",
        |step| lose_home(scenario, step, &mut writer, &home),
    )?;
    narrator.step(
        "The writer ends, and what it wrote is read back",
        "Unmounted, checked, mounted again: each file against its checksum.",
        |step| finish(scenario, step, writer, &home),
    )?;
    Ok(array)
}

fn add_disk(scenario: &Scenario, step: &Step) -> Result<Array> {
    let (lab, cli) = (&scenario.lab, scenario.cli()?);
    let array = storage::add_array(lab, &cli, None, &[(LUN, MEBIBYTES)])?;
    storage::storage_lines(&array).iter().for_each(|line| step.command(&format!("twinrail {line}")));
    let line = format!("profile deploy {PROFILE} --server {SERVER}");
    step.command(&format!("twinrail {line}"));
    cli.run(&line)?;
    let export = lab.export(&cli, LUN)?;
    step.note(&format!("{} on {SERVER}: {}", cli.vhba(VHBA)?.wwpn, export.display()));
    Ok(array)
}

fn start_writer(lab: &Lab, step: &Step) -> Result<Writer> {
    let cli = lab.any_cli()?;
    let mut writer = if has_device_nodes() {
        let device = device(&cli)?;
        step.note(&format!("mkfs.ext4 {}", device.display()));
        Writer::Files(FileWriter::start(lab, SERVER, &device)?)
    } else {
        let missing = FOR_DEVICE_NODES.join(" and ");
        step.note(&format!("this machine lacks {missing}: blocks through the NBD export instead of files"));
        Writer::Blocks(RunningLoad::start(&lab.export(&cli, LUN)?, SEED)?)
    };
    wait_for(&mut writer, WARM)?;
    Ok(writer)
}

fn device(cli: &Cli) -> Result<PathBuf> {
    let disk = |vhba: &Vhba| vhba.luns.iter().find(|it| it.lun == u32::from(LUN)).map(|it: &LunView| it.device.clone());
    let there = |vhba: &Vhba| disk(vhba).is_some_and(|it| it != Path::new(""));
    disk(&cli.wait_for_vhba(VHBA, DEVICE_WITHIN, there)?).context("the disk has gone")
}

fn lose_home(scenario: &mut Scenario, step: &mut Step, writer: &mut Writer, home: &str) -> Result<()> {
    let at = scenario.lab.power_cut(home)?;
    let cli = scenario.cli()?;
    let after = cli.wait_for_vhba(VHBA, GOES_ON_WITHIN, |it| it.home() != home && it.is_admitted())?;
    wait_for(writer, 1)?;
    let waited = clock::now() - at;
    step.note(&format!("{} carries it now; the writer went on after {} ms", after.home(), milliseconds(waited)));
    step.promise(waited <= WAIT * clock::MILLISECOND, &format!("the writer waited, and went on within {WAIT} ms"));
    wait_for(writer, WARM)
}

fn finish(scenario: &mut Scenario, step: &mut Step, writer: Writer, home: &str) -> Result<()> {
    match writer {
        Writer::Files(writer) => {
            let files = writer.finish();
            if let Err(error) = &files {
                step.note(&format!("{error:#}"));
            }
            let count = files.as_ref().map_or(0, |it| *it);
            let text = format!("no write failed, the file system is clean, and all checksums agree ({count} files)");
            step.promise(files.is_ok(), &text);
        }
        Writer::Blocks(load) => {
            let tally = load.finish()?;
            let text = format!("no command failed, and every block holds its last write ({} writes)", tally.writes);
            step.promise(tally.errors == 0 && tally.violations.is_empty(), &text);
        }
    }
    scenario.return_director(home)
}

/// Waits until the writer has done so much more.
fn wait_for(writer: &mut Writer, more: u64) -> Result<()> {
    match writer {
        Writer::Files(writer) => writer.wait_for_files(more),
        Writer::Blocks(load) => {
            let before = load.progress()?;
            let grown = || Ok((load.progress()? >= before + more).then_some(()));
            eventually(GOES_ON_WITHIN, "answers from the disk", grown)
        }
    }
}
