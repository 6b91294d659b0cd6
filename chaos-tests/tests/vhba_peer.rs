//! An initiator that has nothing of ours, QEMU's with libiscsi, finds at the SAN what the server wrote through its vHBA, and the
//! other way round.

use anyhow::{Result, ensure};
use twinrail_chaos_tests::lab::peer::{SanPeer, nbd, qemu_io};
use twinrail_chaos_tests::lab::storage::{Storage, TARGET};
use twinrail_chaos_tests::lab::{Layout, remnants};

const PEER: &str = "50:01:43:80:00:0f:00:01";

#[test]
fn server_and_san_see_the_same() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout { servers: vec!["s1".to_owned()], ..Layout::default() };
    Storage::deployed(layout, None, &[(1, 16)])?.check(|storage| {
        storage.array.admit(TARGET, PEER)?;
        let socket = storage.lab.export(&storage.cli()?, 1)?;
        let (peer, server) =
            (SanPeer::new(&storage.lab, &storage.array, TARGET, 1, PEER)?, storage.lab.namespace("s1")?);
        let patterns =
            ["write -P 0x11 0 64k", "write -P 0x22 64k 512", "write -P 0x33 1M 1M", "write -z 1088k 64k", "flush"];
        qemu_io(server, &nbd(&socket), &patterns)?;
        peer.io(&["read -P 0x11 0 64k", "read -P 0x22 64k 512", "read -P 0x33 1M 64k", "read -P 0 1088k 64k"])?;
        peer.equals(&socket)?;
        peer.io(&["write -P 0x44 2M 1M", "flush"])?;
        qemu_io(server, &nbd(&socket), &["read -P 0x44 2M 1M"])?;
        peer.equals(&socket)?;
        qemu_io(server, &nbd(&socket), &["write -P 0x55 3M 512", "flush"])?;
        ensure!(peer.io(&["read -P 0x44 3M 512"]).is_err(), "the peer's comparison is blind");
        Ok(())
    })
}
