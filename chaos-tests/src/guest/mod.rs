//! The guest: a Debian kernel under QEMU, for what the kernel of this machine lacks (RDMA above all).
//!
//! ```text
//!   this machine                                        the guest (2 processors, its own kernel)
//!   ─────────────                                       ─────────────────────────────────────────
//!   its root file system  ── 9p, read-only ──────────▶  / : the same files; what is written stays in memory
//!   target/guest/exchange ── 9p ─────────────────────▶  the same path: what is written here is on this machine too
//!   a command, a line     ── virtio serial port ─────▶  bash
//!   output, exit status   ◀─────────────────────────
//!   target/guest/console.log ◀── serial console ──────  the kernel's messages
//! ```
//!
//! So every program of this machine, cargo's target folder among them, runs there under the same path, on another kernel. The guest
//! has no network card. Guarantees:
//!
//! * Every wait has an end ([`Guest::run`] takes its patience); a failure shows the end of the guest's console.
//! * QEMU ends with the process that started it, whatever its end is: the kernel kills it.
//! * Nothing is installed on this machine and nothing is kept outside cargo's target folder; what is downloaded is said.

mod archive;
mod folder;
mod initramfs;
mod kernel;
mod qemu;
mod session;
pub mod trials;
mod words;

use std::time::Duration;

use anyhow::{Context, Result};

use self::folder::Folder;
use self::kernel::Kernel;
use self::qemu::Accelerator;
use self::session::Session;
pub use self::words::words;

/// A machine that does not run commands after so long does not boot. It takes 10 to 15 s without hardware's help on a machine that
/// does nothing else.
const BOOTS_WITHIN: Duration = Duration::from_secs(180);
/// With hardware's help it takes some 3 s. What hangs for longer does not work here.
const BOOTS_WITH_KVM_WITHIN: Duration = Duration::from_secs(15);
const SAVES_WITHIN: Duration = Duration::from_secs(30);

/// A guest that runs commands, one at a time. Dropping it ends it.
pub struct Guest {
    session: Session,
    folder: Folder,
}

impl Guest {
    /// Fetches the kernel unless it is there, and boots. Where another guest of the same target folder runs, it waits for its end.
    pub fn boot() -> Result<Self> {
        let folder = Folder::open()?;
        let kernel = Kernel::fetch(&folder)?;
        initramfs::write(&folder, &kernel).context("could not make the guest's initramfs")?;
        let session = boot_somehow(&folder, &kernel)?;
        Ok(Self { session, folder })
    }

    /// Runs a line of bash, gives its output to `sink` as it comes, and its exit status. One that takes longer than this is an
    /// error, after which the guest is of no use.
    pub fn run(&mut self, line: &str, patience: Duration, sink: &mut dyn FnMut(&[u8])) -> Result<i32> {
        let outcome = self.session.run(line, patience, sink);
        outcome.with_context(|| format!("in the guest: {line}")).map_err(|error| self.folder.with_console(error))
    }

    /// Keeps what labs left in the guest: their logs, in the folder that both machines see.
    fn save_logs(&mut self, name: &str) -> Result<()> {
        let kept = self.folder.exchange().join(name).display().to_string();
        let line = format!("rm -rf {kept}; cp -r /tmp/twinrail-lab {kept}", kept = words([kept.as_str()]));
        self.run(&line, SAVES_WITHIN, &mut |_| ())?;
        println!("the logs are in {kept}");
        Ok(())
    }
}

fn boot_somehow(folder: &Folder, kernel: &Kernel) -> Result<Session> {
    if folder.may_try_kvm() {
        match boot_with(folder, kernel, Accelerator::Kvm, BOOTS_WITH_KVM_WITHIN) {
            Ok(session) => return Ok(session),
            Err(error) => {
                eprintln!("guest: hardware virtualisation does not work here, emulating from now on: {error:#}");
                folder.note_kvm_fails()?;
            }
        }
    }
    boot_with(folder, kernel, Accelerator::Emulation, BOOTS_WITHIN).map_err(|error| folder.with_console(error))
}

fn boot_with(folder: &Folder, kernel: &Kernel, accelerator: Accelerator, patience: Duration) -> Result<Session> {
    let command = qemu::command(folder, kernel, accelerator);
    let mut session = Session::start(command)?;
    session.wait_until_ready(patience).context("the guest does not boot")?;
    Ok(session)
}
