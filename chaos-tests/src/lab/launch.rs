//! How a machine's `twinrail` is started where it is not as usual: another build of it, variables, another id. It holds for every
//! later start of that machine, whoever starts it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Lab;
use super::layout::MachineKind;

#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Another build of the program.
    pub program: Option<PathBuf>,
    pub variables: Vec<(String, OsString)>,
    /// It was removed from the cluster and added again under this id: it joins, and founds nothing.
    pub joins_as: Option<u8>,
}

impl Lab {
    pub fn launch(&mut self, machine: &str) -> Result<&mut Launch> {
        Ok(&mut self.machine_mut(machine)?.launch)
    }

    /// Puts the present ids of all directors into a machine's configuration, and says whether it joins.
    pub(super) fn edit_ids(&self, machine: &str, configuration: &mut toml::Table) -> Result<()> {
        let is_director = matches!(self.machine(machine)?.kind, MachineKind::Director { .. });
        if !is_director {
            return Ok(());
        }
        let listed = configuration.get_mut("directors").and_then(toml::Value::as_array_mut);
        for director in listed.context("a configuration without directors")? {
            let name = director["name"].as_str().context("a director without a name")?;
            if let Some(id) = self.machine(name)?.launch.joins_as {
                director["id"] = i64::from(id).into();
            }
        }
        if self.machine(machine)?.launch.joins_as.is_some() {
            configuration.insert("join".to_owned(), true.into());
        }
        Ok(())
    }
}
