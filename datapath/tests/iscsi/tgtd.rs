//! A tgtd of a test's own, in namespaces of its own: network, mounts (tgtd's control socket is a path) and processes. They
//! and all that runs in them end with the test.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the process that runs inside.
const INSIDE: &str = "TWINRAIL_ISCSI_INSIDE";

/// Tells this tgtd's control socket from others'. Its folder is this test's own.
const CONTROL: &str = "7";

pub const TARGET: &str = "iqn.2026-11.example.twinrail:disks";
pub const DISK: u64 = 64 << 20;

pub struct Tgtd {
    child: Child,
}

/// Runs a scenario with a tgtd that has one target with two disks, LUN 1 and 2. `test`: the name of the calling test, which
/// runs once more, inside.
pub fn with_tgtd(test: &str, scenario: impl FnOnce(&mut Tgtd)) {
    if std::env::var_os(INSIDE).is_some() {
        return scenario(&mut Tgtd::start());
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    let status = command.status().unwrap_or_else(|error| panic!("cannot run unshare: {error}"));
    assert!(status.success(), "{test} failed inside its namespaces (root is needed)");
}

impl Tgtd {
    fn start() -> Self {
        execute("mount -t tmpfs none /run");
        std::fs::create_dir("/run/tgtd").expect("/run is ours");
        execute("ip link set lo up");
        let mut command = Command::new("tgtd");
        command.args(["--foreground", "--control-port", CONTROL]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run tgtd (Debian package tgt): {error}"));
        let tgtd = Self { child };
        tgtd.wait();
        tgtd.admin(&format!("--op new --mode target --tid 1 --targetname {TARGET}"));
        for lun in [1, 2] {
            let path = format!("/run/disk{lun}");
            File::create(&path).and_then(|it| it.set_len(DISK)).expect("there is room for a disk");
            tgtd.admin(&format!("--op new --mode logicalunit --tid 1 --lun {lun} --backing-store {path}"));
        }
        tgtd
    }

    /// Until it listens and obeys.
    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.portal()).is_err() || !self.try_admin("--op show --mode target") {
            assert!(Instant::now() < until, "tgtd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn portal(&self) -> SocketAddr {
        "127.0.0.1:3260".parse().expect("an address")
    }

    /// Lets one initiator in, by its name alone.
    pub fn admit(&self, initiator: &str) {
        self.admin(&format!("--op bind --mode target --tid 1 --initiator-name {initiator}"));
    }

    pub fn account(&self, user: &str, password: &str, outgoing: bool) {
        self.admin(&format!("--op new --mode account --user {user} --password {password}"));
        let outgoing = if outgoing { "--outgoing" } else { "" };
        self.admin(&format!("--op bind --mode account --tid 1 --user {user} {outgoing}"));
    }

    pub fn admin(&self, line: &str) {
        assert!(self.try_admin(line), "tgtadm {line}");
    }

    fn try_admin(&self, line: &str) -> bool {
        let mut command = Command::new("tgtadm");
        command.args(["--control-port", CONTROL, "--lld", "iscsi"]).args(line.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|it| it.success())
    }

    /// As kill -9 does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Tgtd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn execute(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let status = Command::new(words[0]).args(&words[1..]).status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {}: {error}", words[0]));
    assert!(status.success(), "{line}");
}
