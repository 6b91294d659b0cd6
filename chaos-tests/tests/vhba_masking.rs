//! What the SAN shows to one WWPN is seen by that vHBA and by no other, and it goes with the profile to another server: the same
//! octets, with nothing changed at the SAN.

use std::time::Duration;

use anyhow::{Result, ensure};
use twinrail_chaos_tests::lab::peer::{nbd, qemu_io};
use twinrail_chaos_tests::lab::scenario::eventually;
use twinrail_chaos_tests::lab::storage::{SAN, Storage};
use twinrail_chaos_tests::lab::{Layout, remnants};

const REFUSED_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn a_disk_is_seen_by_its_vhba_alone_and_goes_where_the_profile_goes() -> Result<()> {
    let _turn = remnants::turn()?;
    Storage::deployed(Layout::default(), None, &[(1, 16), (2, 16)])?.check(|storage| {
        let (lab, cli) = (&storage.lab, storage.cli()?);
        cli.run(&format!("profile create db-2 --vhba hba0,san={SAN},wwn-pool=wwns"))?;
        cli.run("profile deploy db-2 --server s2")?;
        let problem = |vhba: &twinrail_chaos_tests::lab::storage::Vhba| {
            vhba.session.as_ref().is_some_and(|it| !it.problem.is_empty())
        };
        let stranger = cli.wait_for_vhba("db-2/hba0", REFUSED_WITHIN, problem)?;
        println!("the stranger: {:?}", stranger.session);
        ensure!(!stranger.is_admitted() && stranger.luns.is_empty(), "a stranger has disks: {stranger:?}");

        let before = lab.export(&cli, 1)?;
        let s1 = lab.namespace("s1")?;
        qemu_io(s1, &nbd(&before), &["write -P 0x5a 0 1M", "flush", "read -P 0x5a 0 1M"])?;
        qemu_io(s1, &nbd(&lab.export(&cli, 2)?), &["read -P 0 0 1M"])?;

        cli.run("profile move db-1 --server s3")?;
        let there = "the disk on the server that the profile moved to";
        let after = eventually(REFUSED_WITHIN, there, || Ok(lab.export(&cli, 1).ok().filter(|it| *it != before)))?;
        ensure!(!before.exists(), "the server that gave up the profile still exports {}", before.display());
        qemu_io(lab.namespace("s3")?, &nbd(&after), &["read -P 0x5a 0 1M", "write -P 0xa5 1M 1M", "read -P 0xa5 1M 1M"])
    })
}
