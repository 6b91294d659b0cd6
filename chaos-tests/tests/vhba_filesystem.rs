//! A file system on a vHBA's device node lives through ten takeovers under load: no error, a clean check, and every file as it
//! was written.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::consistency::faults::{series, take_over};
use twinrail_chaos_tests::lab::array::Slowness;
use twinrail_chaos_tests::lab::files::FileWriter;
use twinrail_chaos_tests::lab::storage::{Storage, VHBA};
use twinrail_chaos_tests::lab::{Layout, remnants};

const TAKEOVERS: usize = 10;
const SEED: u64 = 7;
const DEVICE_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn ext4_lives_through_ten_takeovers() -> Result<()> {
    let _turn = remnants::turn()?;
    let server_extra = "[vhba]\ndevice_nodes = true".parse().context("what this test adds is no TOML")?;
    let layout = Layout { server_extra, ..Layout::default() };
    Storage::deployed(layout, Some(Slowness::usual(SEED)), &[(1, 128)])?.check(|storage| {
        let cli = storage.cli()?;
        let has_device = |luns: &[twinrail_chaos_tests::lab::storage::LunView]| {
            luns.iter().any(|it| it.lun == 1 && it.device != Path::new(""))
        };
        let vhba = cli.wait_for_vhba(VHBA, DEVICE_WITHIN, |it| has_device(&it.luns))?;
        let device = vhba.luns.iter().find(|it| it.lun == 1).context("no disk")?.device.clone();
        let mut writer = FileWriter::start(&storage.lab, "s1", &device)?;
        writer.wait_for_files(1)?;
        for plan in series(SEED).take(TAKEOVERS) {
            take_over(&mut storage.lab, plan, || writer.files())?;
        }
        let files = writer.finish()?;
        println!("{files} files written through {TAKEOVERS} takeovers, and verified after remount");
        ensure!(files > TAKEOVERS as u64, "only {files} files were written");
        Ok(())
    })
}
