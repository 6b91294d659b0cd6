//! One network namespace, by name.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::shell;

/// Where iproute2 keeps named namespaces.
pub const FOLDER: &str = "/run/netns";

/// A name under which the kernel keeps a network namespace. It does not own it: the lab's janitor does.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub fn create(name: String) -> Result<Self> {
        shell::run(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Self { name })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs in this namespace. The process that it starts *is* the program (`ip netns exec` and setpriv
    /// replace themselves by it), so its pid can be signalled.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).args(arguments);
        command
    }

    /// Runs a shell script in the namespace; the first command that fails ends it with an error.
    pub fn script(&self, script: &str) -> Result<String> {
        shell::run(&mut self.command(Path::new("sh"), &["-euc", script]))
    }

    /// Runs `ip` commands in one go, one a line.
    pub fn ip(&self, lines: &str) -> Result<()> {
        shell::run_with_input(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines).map(drop)
    }

    /// Runs the work on a thread of its own inside the namespace: its sockets, and the threads that it starts, are
    /// in the namespace too.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = Path::new(FOLDER).join(&self.name);
        let entered = || {
            let file = File::open(&path).with_context(|| format!("could not open namespace {}", path.display()))?;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("could not enter namespace {}", path.display()))?;
            work()
        };
        std::thread::scope(|scope| match scope.spawn(entered).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
