//! fio writes and verifies a vHBA's disk over NBD while its home changes.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::consistency::faults::{series, take_over};
use twinrail_chaos_tests::lab::array::Slowness;
use twinrail_chaos_tests::lab::storage::{Storage, TARGET};
use twinrail_chaos_tests::lab::{Layout, remnants};

const TAKEOVERS: usize = 4;
const SEED: u64 = 11;
const FIO_TERMINATED: i32 = 128;
const ENDS_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn fio_verifies_what_it_writes_through_takeovers() -> Result<()> {
    let _turn = remnants::turn()?;
    Storage::deployed(Layout::default(), Some(Slowness::usual(SEED)), &[(1, 32)])?.check(|storage| {
        let cli = storage.cli()?;
        let socket = storage.lab.export(&cli, 1)?;
        let uri = format!("--uri=nbd+unix:///?socket={}", socket.display());
        let folder = format!("--aux-path={}", storage.lab.run_dir().display());
        let arguments = [
            "--name=verify",
            "--ioengine=nbd",
            &uri,
            &folder,
            "--rw=randwrite",
            "--bs=4k",
            "--iodepth=32",
            "--size=32m",
            "--rate_iops=1000",
            "--loops=1000",
            "--verify=crc32c",
            "--verify_backlog=256",
            "--verify_fatal=1",
            "--verify_state_save=0",
        ];
        let mut fio = storage.lab.spawn("s1", "fio", Path::new("fio"), &arguments)?;
        let medium = storage.array.medium(TARGET, 1);
        let written = || {
            let changed = std::fs::metadata(&medium).and_then(|it| it.modified()).context("the medium has no time")?;
            Ok(changed.duration_since(UNIX_EPOCH).context("a time before 1970")?.as_nanos() as u64)
        };
        for plan in series(SEED).take(TAKEOVERS) {
            take_over(&mut storage.lab, plan, written)?;
            ensure!(fio.is_running()?, "fio has ended: see {}", fio.log().display());
        }
        let status = fio.terminate(ENDS_WITHIN)?;
        let said = std::fs::read_to_string(fio.log()).context("fio has no log")?;
        // What fio says of itself after SIGTERM; an error of verification or of the disk is 1.
        let ended = status.success() || status.code() == Some(FIO_TERMINATED);
        ensure!(ended && said.contains("err= 0"), "fio: {status}: {said}");
        Ok(())
    })
}
