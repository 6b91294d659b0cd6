//! Starting what runs on the machines.

use anyhow::{Result, bail};

use super::layout::MachineKind;
use super::{Lab, Process, config};

impl Lab {
    /// Starts `twinrail director` or `twinrail server` on a machine, with the data that it had before, if any.
    pub fn start(&mut self, name: &str) -> Result<()> {
        let program = self.programs.twinrail()?.to_owned();
        let machine = self.machine(name)?;
        let role = match machine.kind {
            MachineKind::Director { .. } => "director",
            MachineKind::Server { .. } => "server",
            MachineKind::LanHost => bail!("{name} runs no twinrail"),
        };
        let file = config::write(&self.layout, name, machine.kind, self.run_dir())?;
        let arguments = [role, "--config", file.to_str().unwrap_or_default()];
        let process = Process::spawn(name, machine.namespace.command(&program, &arguments), self.run_dir())?;
        self.machine_mut(name)?.process = Some(process);
        Ok(())
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
