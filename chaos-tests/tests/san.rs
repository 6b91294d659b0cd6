//! The lab's SAN keeps its promises: the array shows its disks to whom it admits, keeps them over a loss of power, is slow where it
//! shall be, and nothing of it is left behind.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use twinrail_chaos_tests::lab::array::{Array, Slowness, compile_shim};
use twinrail_chaos_tests::lab::peer::SanPeer;
use twinrail_chaos_tests::lab::{Lab, Layout, remnants, shell};

const ADMITTED: &str = "50:01:43:80:00:00:00:01";
const STRANGER: &str = "50:01:43:80:00:00:00:02";
const DISK: u64 = 8 << 20;

#[test]
fn the_array_shows_its_disks_to_whom_it_admits_and_keeps_them() -> Result<()> {
    let _turn = remnants::turn()?;
    Lab::with(Layout { san: true, servers: Vec::new(), ..Layout::default() }, |lab| {
        let mut array = Array::start(lab, None)?;
        array.add_target("disks", &[(1, DISK)])?;
        array.admit("disks", ADMITTED)?;
        let admitted = SanPeer::new(lab, &array, "disks", 1, ADMITTED)?;
        let stranger = SanPeer::new(lab, &array, "disks", 1, STRANGER)?;
        admitted.io(&["write -P 0x5a 0 1M"])?;
        ensure!(stranger.io(&["read 0 4k"]).is_err(), "a stranger reads");

        array.power_cut()?;
        array.power_on()?;
        admitted.io(&["read -P 0x5a 0 1M", "read -P 0 1M 1M"])?;
        ensure!(stranger.io(&["read 0 4k"]).is_err(), "after the loss of power a stranger reads");
        let (id, folder) = (lab.id().clone(), lab.run_dir().to_owned());
        ensure!(remnants::namespaces(&id)?.len() == 6, "fabric, LAN host, 3 directors, array");
        ensure!(array.medium("disks", 1).starts_with(&folder), "a disk outside of the lab's folder would stay");
        Ok(())
    })
}

#[test]
fn a_slow_array_delays_the_share_of_writes_that_it_was_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shim = compile_shim(folder.path())?;
    let time = |per_100_000: u32| -> Result<Duration> {
        let twenty = Duration::from_millis(20);
        let slowness = Slowness { seed: 1, per_100_000, shortest: twenty, longest: twenty };
        let mut command = Command::new("fio");
        command.args(["--name=w", "--ioengine=psync", "--rw=write", "--bs=4k", "--size=200k", "--filename"]);
        command.arg(folder.path().join("disk"));
        slowness.apply(&mut command, &shim);
        let start = Instant::now();
        shell::run(&mut command)?;
        Ok(start.elapsed())
    };
    let (none, all) = (time(0)?, time(100_000)?);
    ensure!(all >= Duration::from_secs(1), "50 writes of 20 ms took {all:?}");
    ensure!(none < all, "writes that shall not wait took {none:?}");
    Ok(())
}

#[test]
fn loop_devices_of_a_lab_go_with_it() -> Result<()> {
    let _turn = remnants::turn()?;
    let lab = Lab::build(Layout { servers: Vec::new(), ..Layout::default() })?;
    let file = lab.run_dir().join("disk");
    std::fs::File::create(&file)?.set_len(DISK)?;
    let device = shell::run(Command::new("losetup").args(["--find", "--show"]).arg(&file))?;
    let backing = std::path::Path::new("/sys/block").join(device.trim().trim_start_matches("/dev/")).join("loop");
    ensure!(backing.exists(), "{device} has no file");
    drop(lab);
    ensure!(!backing.exists(), "{device} is still there");
    Ok(())
}
