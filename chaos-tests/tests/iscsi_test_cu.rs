//! libiscsi's test suite against the SAN of files, which is offered as an iSCSI target for it. Needs Debian's libiscsi-bin.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use twinrail_chaos_tests::target::Target;
use twinrail_datapath::san::file::{DiskConfig, FileSan, FileSanConfig};
use twinrail_proto::domain::Wwn;

const TARGET: &str = "iqn.2026-01.io.twinrail:files";
const FIRST: u64 = 0x5001_4380_0000_0001;
const SECOND: u64 = 0x5001_4380_0000_0002;
/// With `timeout`: the suite has tests that wait for what does not come.
const SUITE_SECONDS: &str = "240";

const OF_256_BLOCKS: &str =
    "asks for 256 blocks, which the field of eight bits holds as 0: there is nothing to do, so it succeeds";
const TOO_LITTLE_DATA: &str = "wants a write with less data than its CDB says to be done in part; it is refused whole, with the \
                               residual, which later versions of the suite take as well";

/// The tests of libiscsi 1.19 that fail, each with the reason.
const EXPLAINED: [(&str, &str); 10] = [
    ("CompareAndWrite.Simple", OF_256_BLOCKS),
    ("CompareAndWrite.Miscompare", OF_256_BLOCKS),
    ("WriteSame16.Unmap", "writes 32 MiB by one command, though the block limits page says that 8 MiB is the most"),
    ("iSCSIResiduals.Write10Residuals", TOO_LITTLE_DATA),
    ("iSCSIResiduals.Write12Residuals", TOO_LITTLE_DATA),
    ("iSCSIResiduals.Write16Residuals", TOO_LITTLE_DATA),
    ("iSCSIResiduals.WriteVerify10Residuals", TOO_LITTLE_DATA),
    ("iSCSIResiduals.WriteVerify12Residuals", TOO_LITTLE_DATA),
    ("iSCSIResiduals.WriteVerify16Residuals", TOO_LITTLE_DATA),
    (
        "iSCSIdatasn.iSCSIDataSnInvalid",
        "connects anew between its parts, and the next write then goes without a Data-Out to be wrong",
    ),
];

#[test]
fn libiscsis_suite_agrees_with_the_san_of_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = |name: &str| DiskConfig {
        name: name.to_owned(),
        path: folder.path().join(name),
        octets: 64 << 20,
        block_length: 512,
    };
    let mask = BTreeMap::from([(1, "a".to_owned())]);
    let masks = [FIRST, SECOND].map(|wwpn| Ok((Wwn::new(wwpn)?, mask.clone())));
    let masks = masks.into_iter().collect::<Result<_>>()?;
    let san = FileSan::open(&FileSanConfig { disks: vec![disk("a")], masks })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let portal = listener.local_addr()?;
    let target = Target::new(TARGET, Arc::new(san));
    std::thread::spawn(move || target.serve(&listener));

    let name = |wwpn: u64| format!("naa.{wwpn:016x}");
    let output = Command::new("timeout")
        .args([SUITE_SECONDS, "iscsi-test-cu", "--dataloss", "--ignore", "--verbose", "--test=ALL"])
        .args(["--initiator-name", &name(FIRST), "--initiator-name-2", &name(SECOND)])
        .arg(format!("iscsi://{portal}/{TARGET}/1"))
        .output()
        .context("cannot run iscsi-test-cu (Debian's libiscsi-bin)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let outcomes = outcomes(&text);
    let failed: Vec<&str> = outcomes.iter().filter(|(_, passed)| !**passed).map(|(name, _)| name.as_str()).collect();
    println!("{} tests of libiscsi's suite, failed: {failed:?}", outcomes.len());
    ensure!(text.contains("Run Summary"), "the suite did not come to its end:\n{text}");
    let unexplained: Vec<&str> =
        failed.iter().filter(|name| !EXPLAINED.iter().any(|(it, _)| it == *name)).copied().collect();
    ensure!(unexplained.is_empty(), "no reason is known why these fail: {unexplained:?}\n{text}");
    for (name, why) in EXPLAINED {
        println!("{name}: {why}");
    }
    let mended: Vec<&str> = EXPLAINED.iter().map(|(name, _)| *name).filter(|name| !failed.contains(name)).collect();
    ensure!(mended.is_empty(), "these do not fail any more: {mended:?}");
    Ok(())
}

/// Of each `Suite.Test` whether it passed. CUnit counts a test that was skipped as passed.
fn outcomes(text: &str) -> BTreeMap<String, bool> {
    let mut outcomes = BTreeMap::new();
    let (mut suite, mut test) = ("", String::new());
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("Suite: ") {
            suite = name.trim();
        }
        if let Some((_, rest)) = line.split_once("Test: ") {
            test = format!("{suite}.{}", rest.split_whitespace().next().unwrap_or_default());
        }
        if line.ends_with("passed") || line.ends_with("FAILED") {
            outcomes.entry(test.clone()).or_insert(line.ends_with("passed"));
        }
    }
    outcomes
}
