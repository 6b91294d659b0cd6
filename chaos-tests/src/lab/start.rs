//! Starting what runs on the machines.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::layout::MachineKind;
use super::{Lab, Process, config};

impl Lab {
    /// Starts `twinrail director` or `twinrail server` on a machine, with the data that it had before, if any.
    pub fn start(&mut self, name: &str) -> Result<()> {
        self.start_with(name, |_| {})
    }

    /// The same with a configuration that was edited.
    pub fn start_with(&mut self, name: &str, edit: impl FnOnce(&mut toml::Table)) -> Result<()> {
        let kind = self.machine(name)?.kind;
        let role = match kind {
            MachineKind::Director { .. } => "director",
            MachineKind::Server { .. } => "server",
            MachineKind::LanHost | MachineKind::Array => bail!("{name} runs no twinrail"),
        };
        let file = config::write(&self.layout, &self.id, name, kind)?;
        let mut table: toml::Table = std::fs::read_to_string(&file)?.parse().context("what was written is no TOML")?;
        self.edit_ids(name, &mut table)?;
        edit(&mut table);
        std::fs::write(&file, table.to_string()).with_context(|| format!("could not write {}", file.display()))?;
        self.start_as(name, role, &file)
    }

    /// Starts `twinrail <role> --config <file>` on a machine, whatever the machine is.
    pub fn start_as(&mut self, name: &str, role: &str, file: &Path) -> Result<()> {
        let launch = self.machine(name)?.launch.clone();
        let program = launch.program.map_or_else(|| self.programs.twinrail().map(Path::to_owned), Ok)?;
        let arguments = [role, "--config", file.to_str().context("the file's path is not UTF-8")?];
        let mut command = self.namespace(name)?.command(&program, &arguments);
        command.envs(launch.variables);
        let process = Process::spawn(name, command, self.run_dir())?;
        self.machine_mut(name)?.process = Some(process);
        Ok(())
    }

    /// Waits until what runs on a machine ends by itself; its status.
    pub fn wait_for_end(&mut self, name: &str, patience: Duration) -> Result<ExitStatus> {
        let process = self.machine_mut(name)?.process.take();
        process.with_context(|| format!("nothing runs on {name}"))?.wait(patience)
    }

    /// What was logged on a machine since the lab was built.
    pub fn log(&self, name: &str) -> Result<String> {
        let path = self.run_dir().join(format!("{name}.log"));
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    }

    /// Whether what was started on a machine still runs; true where nothing was.
    pub fn is_running(&mut self, name: &str) -> Result<bool> {
        self.machine_mut(name)?.process.as_mut().map_or(Ok(true), Process::is_running)
    }

    /// Starts every director and every server.
    pub fn start_all(&mut self) -> Result<()> {
        let names = [self.layout.director_names(), self.layout.servers.clone()].concat();
        names.iter().try_for_each(|name| self.start(name))
    }
}
