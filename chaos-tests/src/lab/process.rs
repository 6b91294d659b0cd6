//! A long-running process of the lab. Dropping the handle kills it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{setting, shell};

/// How often a wait for the end of a process looks.
const POLL: Duration = Duration::from_millis(2);

pub struct Process {
    label: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command in a process group of its own, so that a Ctrl-C at the terminal reaches only the lab, which
    /// then ends the rest in order. Standard output and error go to `<label>.log`, appended.
    pub fn spawn(label: &str, mut command: Command, log_folder: &Path) -> Result<Self> {
        let log = log_folder.join(format!("{label}.log"));
        let output = open_log(&log)?;
        let errors = output.try_clone().with_context(|| format!("could not duplicate {}", log.display()))?;
        command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().with_context(|| format!("could not start {}", shell::line(&command)))?;
        Ok(Self { label: label.to_owned(), child, log })
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("could not send {signal:?} to {} (pid {})", self.label, self.pid()))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("could not kill {}", self.label))?;
        self.child.wait().with_context(|| format!("could not wait for {}", self.label)).map(drop)
    }

    /// SIGTERM, and the status with which it ended.
    pub fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        if !self.is_running()? {
            return self.wait(patience);
        }
        self.signal(Signal::TERM)?;
        self.wait(patience)
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let patience = setting::patience(patience);
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("could not wait for {}", self.label))? {
                return Ok(status);
            }
            if Instant::now() >= end {
                bail!("{} did not end within {patience:?}; its log: {}", self.label, self.log.display());
            }
            std::thread::sleep(POLL);
        }
    }

    pub fn is_running(&mut self) -> Result<bool> {
        let status = self.child.try_wait().with_context(|| format!("could not ask after {}", self.label))?;
        Ok(status.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing left to kill; the namespace's janitor sees to the rest.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn open_log(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).with_context(|| format!("could not open {}", path.display()))
}
