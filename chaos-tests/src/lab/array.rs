//! The SAN's disk array: a real tgtd, on a machine of its own. Its LUNs are files in the lab's run folder; who may log in to a
//! target is said by initiator name alone (an address ACL beside it would let everybody in).
//!
//! ```text
//!   d1 san0 ──┐
//!   d2 san0 ──┼── bridge san ── san0 array: tgtd ── [slow_pwrite.so] ── array/<target>-<LUN>
//!   d3 san0 ──┘
//! ```
//!
//! tgtd's control socket is a path, so it is in the run folder too: several labs, and a tgtd of the machine's own, do not meet.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::layout::{ARRAY, ARRAY_NAME};
use super::scenario::eventually;
use super::{Lab, Namespace, Process, preload, shell};

/// The IANA port of iSCSI, which tgtd listens on.
const PORT: u16 = 3_260;
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Every target's name is this and a word.
const NAME_PREFIX: &str = "iqn.2026-11.example.twinrail:";

/// How slow the array is: some of its writes take longer, and reach the medium only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowness {
    pub seed: u64,
    /// How many of 100,000 writes.
    pub per_100_000: u32,
    pub shortest: Duration,
    pub longest: Duration,
}

impl Slowness {
    /// Half a percent of the writes takes 150 to 400 ms: an array that is busy, and longer than most takeovers.
    pub fn usual(seed: u64) -> Self {
        Self { seed, per_100_000: 500, shortest: Duration::from_millis(150), longest: Duration::from_millis(400) }
    }

    /// Two percent take 150 to 900 ms: where few writes a second are done, some are still on their way whenever a home is lost.
    pub fn harsh(seed: u64) -> Self {
        Self { seed, per_100_000: 2_000, shortest: Duration::from_millis(150), longest: Duration::from_millis(900) }
    }

    /// Makes the writes of a program slow.
    pub fn apply(&self, command: &mut Command, shim: &Path) {
        let Self { seed, per_100_000, shortest, longest } = self;
        command.env("LD_PRELOAD", shim).env("SLOW_ARRAY_SEED", seed.to_string());
        command.env("SLOW_ARRAY_PER_100000", per_100_000.to_string());
        command.env("SLOW_ARRAY_MIN_MS", shortest.as_millis().to_string());
        command.env("SLOW_ARRAY_MAX_MS", longest.as_millis().to_string());
    }
}

/// A target and what it shows.
#[derive(Clone, Debug, Default)]
struct Target {
    number: u32,
    /// LUN 0 is tgtd's own controller.
    luns: Vec<u16>,
    initiators: Vec<String>,
    account: Option<(String, String)>,
}

/// The array of a lab. Dropping it ends tgtd; the disks stay as long as the lab.
pub struct Array {
    namespace: Namespace,
    folder: PathBuf,
    log_folder: PathBuf,
    preload: Option<(PathBuf, Slowness)>,
    process: Option<Process>,
    targets: BTreeMap<String, Target>,
}

impl Array {
    /// Starts tgtd in a lab that has a SAN. It has no targets yet.
    pub fn start(lab: &Lab, slowness: Option<Slowness>) -> Result<Self> {
        ensure!(
            super::requirements::on_path("tgtd"),
            "the program 'tgtd' (Debian package tgt) is missing: `make deps`"
        );
        let folder = lab.run_dir().join(ARRAY_NAME);
        std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        let preload = slowness.map(|it| Ok::<_, anyhow::Error>((compile_shim(&folder)?, it))).transpose()?;
        let namespace = lab.namespace(ARRAY_NAME).context("this lab has no SAN")?.clone();
        let log_folder = lab.run_dir().to_owned();
        let mut array = Self { namespace, folder, log_folder, preload, process: None, targets: BTreeMap::new() };
        array.power_on()?;
        Ok(array)
    }

    pub fn portal(&self) -> SocketAddr {
        SocketAddrV4::new(ARRAY, PORT).into()
    }

    /// A target's iSCSI name.
    pub fn target_name(target: &str) -> String {
        format!("{NAME_PREFIX}{target}")
    }

    /// As a SAN's port is written: `iscsi://10.73.1.200:3260/iqn…`
    pub fn uri(&self, target: &str) -> String {
        format!("iscsi://{}/{}", self.portal(), Self::target_name(target))
    }

    /// The medium of a LUN.
    pub fn medium(&self, target: &str, lun: u16) -> PathBuf {
        self.folder.join(format!("{target}-{lun}"))
    }

    /// A new target with empty disks of these sizes in octets. Nobody may log in to it.
    pub fn add_target(&mut self, target: &str, luns: &[(u16, u64)]) -> Result<()> {
        ensure!(!self.targets.contains_key(target), "the array has a target {target} already");
        for (lun, octets) in luns {
            let path = self.medium(target, *lun);
            let made = File::create(&path).and_then(|it| it.set_len(*octets));
            made.with_context(|| format!("could not make the disk {}", path.display()))?;
        }
        let number = self.targets.len() as u32 + 1;
        let entry = Target { number, luns: luns.iter().map(|it| it.0).collect(), ..Target::default() };
        self.show(target, &entry)?;
        self.targets.insert(target.to_owned(), entry);
        Ok(())
    }

    /// Lets the initiator of this WWPN log in.
    pub fn admit(&mut self, target: &str, wwpn: &str) -> Result<()> {
        let initiator = initiator(wwpn);
        let entry = self.target(target)?;
        entry.initiators.push(initiator.clone());
        let number = entry.number;
        self.admin(&format!("--op bind --mode target --tid {number} --initiator-name {initiator}"))
    }

    /// From now on a login to the target needs CHAP with this user and secret.
    pub fn require_chap(&mut self, target: &str, user: &str, secret: &str) -> Result<()> {
        let entry = self.target(target)?;
        entry.account = Some((user.to_owned(), secret.to_owned()));
        let number = entry.number;
        self.account(number, user, secret)
    }

    fn target(&mut self, name: &str) -> Result<&mut Target> {
        self.targets.get_mut(name).with_context(|| format!("the array has no target {name}"))
    }

    /// SIGKILL: the array is gone, its disks stay.
    pub fn power_cut(&mut self) -> Result<()> {
        self.process.take().context("the array has no power")?.kill()
    }

    /// Starts it with the targets that it had.
    pub fn power_on(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the array runs already");
        let socket = self.socket();
        for left in [socket.with_extension("0"), socket.with_extension("0.lock")] {
            // There is none at the first start.
            std::fs::remove_file(left).ok();
        }
        self.process = Some(Process::spawn("tgtd", self.daemon(), &self.log_folder)?);
        eventually(STARTS_WITHIN, "a tgtd that obeys", || {
            Ok(self.admin("--op show --mode target").is_ok().then_some(()))
        })?;
        self.targets.clone().iter().try_for_each(|(name, target)| self.show(name, target))
    }

    fn show(&self, name: &str, target: &Target) -> Result<()> {
        let Target { number, luns, initiators, account } = target;
        self.admin(&format!("--op new --mode target --tid {number} --targetname {}", Self::target_name(name)))?;
        luns.iter().try_for_each(|lun| self.show_lun(name, *number, *lun))?;
        for initiator in initiators {
            self.admin(&format!("--op bind --mode target --tid {number} --initiator-name {initiator}"))?;
        }
        account.as_ref().map_or(Ok(()), |(user, secret)| self.account(*number, user, secret))
    }

    fn show_lun(&self, name: &str, number: u32, lun: u16) -> Result<()> {
        let path = self.medium(name, lun);
        let path = path.display();
        self.admin(&format!("--op new --mode logicalunit --tid {number} --lun {lun} --backing-store {path}"))
    }

    fn account(&self, number: u32, user: &str, secret: &str) -> Result<()> {
        self.admin(&format!("--op new --mode account --user {user} --password {secret}"))?;
        self.admin(&format!("--op bind --mode account --tid {number} --user {user}"))
    }

    fn admin(&self, line: &str) -> Result<()> {
        shell::run(&mut self.tgtadm(line)).map(drop)
    }

    fn tgtadm(&self, line: &str) -> Command {
        let words: Vec<&str> = ["--lld", "iscsi"].into_iter().chain(line.split_whitespace()).collect();
        let mut command = self.namespace.command(Path::new("tgtadm"), &words);
        command.env("TGT_IPC_SOCKET", self.socket());
        command
    }

    fn daemon(&self) -> Command {
        let mut command = self.namespace.command(Path::new("tgtd"), &["--foreground"]);
        command.env("TGT_IPC_SOCKET", self.socket());
        if let Some((shim, slowness)) = &self.preload {
            slowness.apply(&mut command, shim);
        }
        command
    }

    /// tgtd adds `.0`, its control number.
    fn socket(&self) -> PathBuf {
        self.folder.join("control")
    }
}

/// The initiator name that goes with a WWPN (`50:01:…` or 16 hex digits).
pub fn initiator(wwpn: &str) -> String {
    format!("naa.{}", wwpn.replace(':', "").to_lowercase())
}

/// What is preloaded into a slow tgtd.
pub fn compile_shim(folder: &Path) -> Result<PathBuf> {
    preload::compile(folder, "slow_pwrite", include_str!("../../slow-array/slow_pwrite.c"))
}
