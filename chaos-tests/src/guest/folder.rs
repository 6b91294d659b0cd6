//! Where everything of the guest is: `guest` in cargo's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

/// Cargo writes this file into its target folder.
const MARK: &str = ".rustc_info.json";
/// How much of the console is shown with a failure.
const CONSOLE_LINES: usize = 60;

pub struct Folder {
    path: PathBuf,
    /// One guest at a time uses the folder.
    _turn: File,
}

impl Folder {
    /// Finds it, makes it, and waits until no other guest uses it.
    pub fn open() -> Result<Self> {
        let own = std::env::current_exe().context("could not find the path of this program")?;
        let target = own.ancestors().find(|it| it.join(MARK).is_file());
        let path =
            target.with_context(|| format!("{} is not in a target folder of cargo", own.display()))?.join("guest");
        let exchange = path.join("exchange");
        fs::create_dir_all(&exchange).with_context(|| format!("could not create {}", exchange.display()))?;
        let lock = path.join("turn.lock");
        let turn = File::create(&lock).with_context(|| format!("could not create {}", lock.display()))?;
        turn.lock().with_context(|| format!("could not lock {}", lock.display()))?;
        Ok(Self { path, _turn: turn })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the guest and this machine share.
    pub fn exchange(&self) -> PathBuf {
        self.path.join("exchange")
    }

    pub fn initramfs(&self) -> PathBuf {
        self.path.join("initramfs.cpio")
    }

    pub fn console(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// Whether hardware virtualisation is there and was not seen to fail.
    pub fn may_try_kvm(&self) -> bool {
        File::options().read(true).write(true).open("/dev/kvm").is_ok() && !self.kvm_fails().exists()
    }

    /// It is not tried again until the target folder is cleaned.
    pub fn note_kvm_fails(&self) -> Result<()> {
        let path = self.kvm_fails();
        File::create(&path).with_context(|| format!("could not create {}", path.display())).map(drop)
    }

    fn kvm_fails(&self) -> PathBuf {
        self.path.join("kvm-does-not-work")
    }

    /// The error with the end of the guest's console.
    pub fn with_console(&self, error: Error) -> Error {
        let console = fs::read(self.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n");
        error.context(format!("the guest failed; the end of {}:\n{tail}\n", self.console().display()))
    }
}
