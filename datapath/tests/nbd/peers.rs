//! Real clients: libnbd's tools, QEMU's tools and fio (Debian's libnbd-bin, qemu-utils and fio).

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use tempfile::TempDir;
use twinrail_datapath::nbd::{BlockDevice, Export, MemoryDevice, Offer, Server};

use crate::serving::config;
use crate::support::octets;

const SIZE: usize = 16 << 20;

pub struct Served {
    server: Server,
    pub folder: TempDir,
}

impl Served {
    pub fn new(export: Export, device: Arc<dyn BlockDevice>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(&config(&folder.path().join("s")), vec![Offer { export, device }]);
        Self { server: server.expect("a server"), folder }
    }

    /// In memory, with blocks of so many octets, and all that is optional.
    fn memory(block: u32) -> Self {
        let export = Export { size: SIZE as u64, block, ..crate::support::export() };
        Self::new(export, Arc::new(MemoryDevice::new(SIZE)))
    }

    pub fn uri(&self) -> String {
        format!("nbd+unix:///disk?socket={}", self.server.path().display())
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new("timeout").args(["60", program]).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `make deps` installs it"))
}

#[track_caller]
pub fn succeeds(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}: {text}", output.status);
    text
}

#[test]
fn nbdinfo_reads_what_the_export_promises() {
    let served = Served::memory(4096);
    let text = succeeds("nbdinfo", &["--json", &served.uri()]);
    for line in [
        "\"protocol\": \"newstyle-fixed\"",
        "\"structured\": true",
        "\"export-size\": 16777216",
        "\"block_size_minimum\": 4096",
        "\"block_size_maximum\": 33554432",
        "\"can_multi_conn\": true",
        "\"can_fast_zero\": true",
        "\"can_trim\": true",
        "\"is_read_only\": false",
        "\"is_rotational\": false",
        "\"description\": \"a disk\"",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    let list = succeeds("nbdinfo", &["--list", &format!("nbd+unix://?socket={}", served.server.path().display())]);
    assert!(list.contains("export=\"disk\""), "{list}");
    let absent = format!("nbd+unix:///nobody?socket={}", served.server.path().display());
    let output = run("nbdinfo", &[&absent]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("for export: nobody"), "{output:?}");
}

#[test]
fn nbdcopy_brings_back_what_it_took_there() {
    let served = Served::memory(512);
    let (from, to) = (served.file("from"), served.file("to"));
    // A third of it is zeros, which nbdcopy sends as WRITE_ZEROES.
    let mut data = octets(SIZE, 11).to_vec();
    data[SIZE / 3..SIZE * 2 / 3].fill(0);
    std::fs::write(&from, &data).expect("written");
    succeeds("nbdcopy", &["--flush", "--connections=4", "--requests=32", &from, &served.uri()]);
    succeeds("nbdcopy", &["--connections=4", &served.uri(), &to]);
    assert!(std::fs::read(&to).expect("read") == data);
}

#[test]
fn qemu_writes_reads_zeroes_and_discards() {
    let served = Served::memory(512);
    let uri = served.uri();
    let io = |commands: &[&str]| {
        let arguments: Vec<&str> = commands.iter().flat_map(|it| ["-c", it]).collect();
        let text = succeeds("qemu-io", &[&["-f", "raw"], &arguments[..], &[&uri]].concat());
        assert!(!text.contains("failed") && !text.contains("error"), "{text}");
    };
    io(&["write -P 0x5a 0 1M", "write -f -P 0xa5 1M 64k", "write -z 512k 64k", "write -z -u 0 64k", "flush"]);
    io(&["read -P 0 0 64k", "read -P 0x5a 64k 448k", "read -P 0 512k 64k", "read -P 0xa5 1M 64k", "discard 2M 1M"]);
    let wrong = run("qemu-io", &["-f", "raw", "-c", "read -P 1 64k 4k", &uri]);
    assert!(!wrong.status.success(), "the check is blind: {wrong:?}");
    let image = served.file("image.qcow2");
    succeeds("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &uri, &image]);
    succeeds("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", &uri, &image]);
    let info = succeeds("qemu-img", &["info", "-f", "raw", &uri]);
    assert!(info.contains("16 MiB"), "{info}");
}

#[test]
fn fio_verifies_what_it_wrote() {
    let served = Served::memory(512);
    fio_verifies(&served.uri(), served.folder.path());
}

/// Random writes of several sizes, read back and checked, with flushes between.
pub fn fio_verifies(uri: &str, folder: &Path) {
    let uri = format!("--uri={uri}");
    let folder = format!("--aux-path={}", folder.display());
    let all = [
        "--name=verify",
        "--ioengine=nbd",
        &uri,
        &folder,
        "--rw=randwrite",
        "--bsrange=4k-64k",
        "--iodepth=32",
        "--size=16m",
        "--fsync=16",
        "--verify=crc32c",
        "--do_verify=1",
        "--verify_state_save=0",
        "--verify_fatal=1",
    ];
    let text = succeeds("fio", &all);
    assert!(text.contains("err= 0"), "{text}");
}
