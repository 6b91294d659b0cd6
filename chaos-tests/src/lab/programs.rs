//! Finds the programs that a lab runs: they lie beside the program that asks, in cargo's target folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Overrides where the `twinrail` binary is.
pub const TWINRAIL_VARIABLE: &str = "TWINRAIL_BIN";

#[derive(Clone, Debug)]
pub struct Programs {
    lab: PathBuf,
    twinrail: Option<PathBuf>,
}

impl Programs {
    pub fn find() -> Result<Self> {
        let own = std::env::current_exe().context("could not find the path of this program")?;
        let Some(lab) = beside(&own, "lab") else {
            bail!("the program 'lab' is not beside {}: run `cargo build -p twinrail-chaos-tests` first", own.display());
        };
        let named = std::env::var_os(TWINRAIL_VARIABLE).map(PathBuf::from);
        Ok(Self { lab, twinrail: named.or_else(|| beside(&own, "twinrail")) })
    }

    /// Our own measuring programs and the janitor.
    pub fn lab(&self) -> &Path {
        &self.lab
    }

    /// The product. Baselines run without it.
    pub fn twinrail(&self) -> Result<&Path> {
        self.twinrail.as_deref().with_context(|| {
            format!("the program 'twinrail' is not beside {}: run `cargo build -p twinrail` first", self.lab.display())
        })
    }
}

/// Tests live one folder deeper (`deps/`) than programs.
fn beside(own: &Path, name: &str) -> Option<PathBuf> {
    own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file())
}
