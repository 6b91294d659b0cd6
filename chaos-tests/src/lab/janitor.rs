//! Who cleans up, whatever happens.
//!
//! ```text
//!   owner (demo, test, bench) ──pipe──▶ janitor: a process of its own, in its own process group
//!        │ ends: return, panic, Ctrl-C, SIGKILL
//!        ╳──────── end of file ───────▶ kills what runs in the lab's namespaces, removes them, ends
//! ```
//!
//! The kernel closes the pipe however the owner ends, so nothing depends on a destructor that may not run. An owner that
//! ends in order closes it itself and waits. Should the janitor be killed too, the next lab removes what is left
//! ([`super::remnants::reap_orphans`]).

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use super::remnants::{self, LabId};

/// All labs of this process, for the signal handler.
static REGISTRY: Mutex<Vec<Arc<Mutex<Janitor>>>> = Mutex::new(Vec::new());

struct Janitor {
    id: LabId,
    run_dir: PathBuf,
    /// A signal ends this lab in order: nobody needs its logs then.
    forget_logs: bool,
    child: Option<Child>,
}

/// A lab's claim on its janitor.
pub struct Registration(Arc<Mutex<Janitor>>);

impl Registration {
    /// Starts the janitor; from here on the lab is removed when this process ends.
    pub fn start(id: &LabId, lab_program: &Path, run_dir: &Path) -> Result<Self> {
        let log_path = run_dir.join("janitor.log");
        let log = File::create(&log_path).with_context(|| format!("could not create {}", log_path.display()))?;
        let errors = log.try_clone().with_context(|| format!("could not duplicate {}", log_path.display()))?;
        let mut command = Command::new(lab_program);
        command.args(["janitor", "--lab", &id.to_string()]).process_group(0);
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let child = command.spawn().context("could not start the lab's janitor")?;
        let run_dir = run_dir.to_owned();
        let janitor = Janitor { id: id.clone(), run_dir, forget_logs: false, child: Some(child) };
        let janitor = Arc::new(Mutex::new(janitor));
        lock(&REGISTRY).push(janitor.clone());
        Ok(Self(janitor))
    }

    /// From now on a signal is the end that is waited for, and the logs go with the lab.
    pub fn forget_logs(&self) {
        lock(&self.0).forget_logs = true;
    }

    /// Removes the lab and waits until it is gone. Doing it twice does nothing more.
    pub fn tear_down(&self) {
        lock(&self.0).finish();
        lock(&REGISTRY).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.tear_down();
    }
}

impl Janitor {
    /// Whether the lab is gone.
    fn finish(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        drop(child.stdin.take());
        match child.wait() {
            Ok(status) if status.success() => return true,
            Ok(status) => eprintln!("lab {} was not removed whole ({status}): see janitor.log in its folder", self.id),
            Err(error) => eprintln!("lab {}: could not wait for its janitor: {error}", self.id),
        }
        false
    }

    /// The end by a signal, after which no destructor runs.
    fn end(&mut self) {
        let gone = self.finish();
        if !(gone && self.forget_logs && std::fs::remove_dir_all(&self.run_dir).is_ok()) {
            eprintln!("the logs of lab {} are in {}", self.id, self.run_dir.display());
        }
    }
}

/// Removes every lab of this process: for the end by a signal. New labs cannot be started meanwhile.
pub fn tear_down_all() {
    for janitor in lock(&REGISTRY).iter() {
        lock(janitor).end();
    }
}

/// The janitor's own main: waits for the owner's end, then removes the lab.
pub fn serve(lab: &str) -> Result<()> {
    let id = LabId::parse(lab)?;
    // Whatever the owner writes is ignored; an error on the pipe is its end too.
    let mut nothing = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut nothing) {
        eprintln!("the pipe to the owner broke: {error}");
    }
    remnants::remove(&id)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another thread must not keep the lab from being removed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
